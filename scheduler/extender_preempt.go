package scheduler

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"minik.dev/scheduler/framework"
)

// Extenders with a preemptVerb have a say in who is evicted: of the nodes where it would help they strike some off, and
// on the others they may name other victims.

// places are the pods of the nodes that are asked about, by node and UID: from them extenders choose victims.
type places map[string]map[types.UID]*corev1.Pod

// preemptWithExtenders has the extenders look at the preemptions found, without holding the lock, and picks one of those
// that are left. It returns with the lock held, as it found it. A victim that is gone by then is no harm: to evict it is
// done.
func (s *Scheduler) preemptWithExtenders(ctx context.Context, item *queuedPod, e framework.Explanation) (framework.Decision, error) {
	var asked []*extender
	for _, x := range s.configuration.Extenders {
		if x.PreemptVerb != "" && x.wants(item.pod) {
			asked = append(asked, x)
		}
	}
	if len(asked) == 0 {
		return e.Decision, nil
	}
	on := places{}
	candidates := e.Decision.Candidates()
	for _, p := range candidates {
		on[p.Node] = s.snapshot.Node(p.Node).Pods()
	}
	var left []*framework.Preemption
	var err error
	s.unlocked(func() { left, err = askPreemptors(ctx, asked, item.pod, candidates, on) })
	if err != nil {
		return framework.Decision{}, err
	}
	return e.Decision.WithCandidates(left, s.snapshot, item.pod), nil
}

// askPreemptors asks one after another about what all before have left.
func askPreemptors(
	ctx context.Context, extenders []*extender, pod *corev1.Pod, found []*framework.Preemption, on places,
) ([]*framework.Preemption, error) {
	for _, e := range extenders {
		if len(found) == 0 {
			break
		}
		left, err := e.preempt(ctx, pod, found, on)
		if err != nil && !e.Ignorable {
			return nil, err
		}
		if err == nil {
			found = left
		}
	}
	return found, nil
}

// preempt is what the extender leaves of the preemptions, or makes of them.
func (e *extender) preempt(
	ctx context.Context, pod *corev1.Pod, found []*framework.Preemption, on places,
) ([]*framework.Preemption, error) {
	var answer extenderv1.ExtenderPreemptionResult
	if err := e.send(ctx, e.PreemptVerb, e.preemptionArgs(pod, found), &answer); err != nil {
		return nil, err
	}
	var left []*framework.Preemption
	for _, node := range slices.Sorted(maps.Keys(answer.NodeNameToMetaVictims)) {
		p, err := e.preemption(node, answer.NodeNameToMetaVictims[node], on)
		if err != nil && !e.Ignorable {
			return nil, err
		}
		if err == nil {
			left = append(left, p)
		}
	}
	return left, nil
}

func (e *extender) preemptionArgs(pod *corev1.Pod, found []*framework.Preemption) *extenderv1.ExtenderPreemptionArgs {
	args := &extenderv1.ExtenderPreemptionArgs{Pod: pod}
	if e.NodeCacheCapable {
		args.NodeNameToMetaVictims = map[string]*extenderv1.MetaVictims{}
	} else {
		args.NodeNameToVictims = map[string]*extenderv1.Victims{}
	}
	for _, p := range found {
		if !e.NodeCacheCapable {
			args.NodeNameToVictims[p.Node] = &extenderv1.Victims{Pods: p.Victims, NumPDBViolations: int64(p.Violations)}
			continue
		}
		victims := &extenderv1.MetaVictims{NumPDBViolations: int64(p.Violations)}
		for _, v := range p.Victims {
			victims.Pods = append(victims.Pods, &extenderv1.MetaPod{UID: string(v.UID)})
		}
		args.NodeNameToMetaVictims[p.Node] = victims
	}
	return args
}

// preemption is what the extender says of one node, if it names somebody, and nobody who is not there.
func (e *extender) preemption(node string, says *extenderv1.MetaVictims, on places) (*framework.Preemption, error) {
	if on[node] == nil {
		return nil, fmt.Errorf("extender %s: node %q is none that it was asked about", e.URLPrefix, node)
	}
	if says == nil || len(says.Pods) == 0 {
		return nil, fmt.Errorf("extender %s: expected at least one victim pod on node %q", e.URLPrefix, node)
	}
	p := &framework.Preemption{Node: node, Violations: int(says.NumPDBViolations)}
	for _, v := range says.Pods {
		victim := on[node][types.UID(v.UID)]
		if victim == nil {
			return nil, fmt.Errorf("extender %s claims to preempt pod (UID: %s) on node %s, but the pod is not found on that node",
				e.URLPrefix, v.UID, node)
		}
		p.Victims = append(p.Victims, victim)
	}
	framework.SortVictims(p.Victims)
	return p, nil
}
