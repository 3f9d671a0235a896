package why

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"minik.dev/scheduler"
	"minik.dev/scheduler/framework"
	"minik.dev/scheduler/suggest"
)

// podAnswer is what the scheduler makes of a pod, and why.
type podAnswer struct {
	// About is what was asked: "pod default/web-x is bound to node-2".
	About string `json:"about"`
	// Notes say on which state it was decided, and how sure that is.
	Notes []string `json:"notes,omitempty"`
	// Node is the winner, empty where the pod fits nowhere; Sentence says why.
	Node     string `json:"node,omitempty"`
	Sentence string `json:"sentence"`
	// Fit are the nodes that fit, best first, Rejected the others, by name.
	Fit      []framework.NodeExplanation `json:"fit,omitempty"`
	Rejected []framework.NodeExplanation `json:"rejected,omitempty"`
	// Changes would make a pod fit that fits nowhere.
	Changes []suggest.Suggestion `json:"changes,omitempty"`
	// Next is what the kubelet of a bound pod's node does next.
	Next *nodeStep `json:"next,omitempty"`

	nominated bool // the room had been made for it: no other node was asked to score
}

// ofPod answers for a pod that there is: a bound one by making its decision again, on the state that was recorded with
// it, another one by deciding on the state of now, or of a revision above 0.
func ofPod(ctx context.Context, config *rest.Config, namespace, name string, revision int64,
	schedulerConfig string) (*podAnswer, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	world, err := worldAt(ctx, client, revision, revision)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(world.Pods, func(p *corev1.Pod) bool { return p.Namespace == namespace && p.Name == name })
	if i < 0 {
		return nil, apierrors.NewNotFound(corev1.Resource("pods"), name)
	}
	pod := world.Pods[i]
	profile, err := profileOf(pod, schedulerConfig)
	if err != nil {
		return nil, err
	}
	if pod.Spec.NodeName == "" {
		about := fmt.Sprintf("pod %s/%s has no node", namespace, name)
		if len(pod.Spec.SchedulingGates) > 0 {
			about += fmt.Sprintf(", and waits for %d scheduling gates, the first is %s; without them:",
				len(pod.Spec.SchedulingGates), pod.Spec.SchedulingGates[0].Name)
		}
		return answerFor(about, profile, world, pod), nil
	}
	answer, err := replay(ctx, client, profile, world, pod)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(world.Nodes, func(n *corev1.Node) bool { return n.Name == pod.Spec.NodeName }) {
		answer.About += ", a node that does not exist"
		answer.Notes = append(answer.Notes, "no kubelet runs it: the pod garbage collector deletes it, unless a node of that name comes")
		return answer, nil
	}
	answer.Next = stepOf(pod)
	return answer, nil
}

// WhatIf answers for a pod that there is not, on the state of now. The scheduler's configuration is a file's, or the default.
func WhatIf(ctx context.Context, config *rest.Config, pod *corev1.Pod, schedulerConfig string) (Answer, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	// The API server fills in what it would, and refuses what it would, and keeps nothing.
	full, err := client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return nil, fmt.Errorf("asking the API server for the pod's defaults: %w", err)
	}
	world, err := worldAt(ctx, client, 0, 0)
	if err != nil {
		return nil, err
	}
	profile, err := profileOf(full, schedulerConfig)
	if err != nil {
		return nil, err
	}
	name := full.Name
	if name == "" {
		name = full.GenerateName + "…"
	}
	return answerFor(fmt.Sprintf("pod %s/%s, if it were created now", full.Namespace, name), profile, world, full), nil
}

// profileOf is how the pod's scheduler decides: by default, or as a file says.
func profileOf(pod *corev1.Pod, path string) (*framework.Profile, error) {
	configuration := scheduler.DefaultConfiguration()
	if path != "" {
		var err error
		if configuration, err = scheduler.LoadConfiguration(path); err != nil {
			return nil, err
		}
	}
	profile, ok := configuration.Profiles[pod.Spec.SchedulerName]
	if !ok {
		return nil, fmt.Errorf("pod %s/%s asks for scheduler %q, and that is none of this configuration", pod.Namespace, pod.Name,
			pod.Spec.SchedulerName)
	}
	return profile, nil
}

// worldAt reads what decisions look at, as it was: the nodes at one revision, all else at that of the pods; 0 is now.
func worldAt(ctx context.Context, client kubernetes.Interface, nodes, pods int64) (suggest.World, error) {
	var w suggest.World
	var errs [7]error
	core := client.CoreV1()
	w.Nodes, errs[0] = listed(ctx, "nodes", nodes, core.Nodes().List, func(l *corev1.NodeList) []corev1.Node { return l.Items })
	w.Pods, errs[1] = listed(ctx, "pods", pods, core.Pods("").List, func(l *corev1.PodList) []corev1.Pod { return l.Items })
	w.Namespaces, errs[2] = listed(ctx, "namespaces", pods, core.Namespaces().List,
		func(l *corev1.NamespaceList) []corev1.Namespace { return l.Items })
	w.Budgets, errs[3] = listed(ctx, "disruption budgets", pods, client.PolicyV1().PodDisruptionBudgets("").List,
		func(l *policyv1.PodDisruptionBudgetList) []policyv1.PodDisruptionBudget { return l.Items })
	w.Claims, errs[4] = listed(ctx, "claims", pods, core.PersistentVolumeClaims("").List,
		func(l *corev1.PersistentVolumeClaimList) []corev1.PersistentVolumeClaim { return l.Items })
	w.Volumes, errs[5] = listed(ctx, "volumes", pods, core.PersistentVolumes().List,
		func(l *corev1.PersistentVolumeList) []corev1.PersistentVolume { return l.Items })
	w.Classes, errs[6] = listed(ctx, "storage classes", pods, client.StorageV1().StorageClasses().List,
		func(l *storagev1.StorageClassList) []storagev1.StorageClass { return l.Items })
	return w, errors.Join(errs[:]...)
}

// listed are the items of a list at the revision.
func listed[L, T any](ctx context.Context, what string, revision int64,
	list func(context.Context, metav1.ListOptions) (L, error), items func(L) []T) ([]*T, error) {
	l, err := list(ctx, exactly(revision))
	if err != nil {
		return nil, fmt.Errorf("reading the %s%s: %w", what, asOf(revision), err)
	}
	var out []*T
	for i := range items(l) {
		out = append(out, &items(l)[i])
	}
	return out, nil
}

func exactly(revision int64) metav1.ListOptions {
	if revision == 0 {
		return metav1.ListOptions{}
	}
	return metav1.ListOptions{ResourceVersion: strconv.FormatInt(revision, 10),
		ResourceVersionMatch: metav1.ResourceVersionMatchExact}
}

func asOf(revision int64) string {
	if revision == 0 {
		return ""
	}
	return fmt.Sprintf(" as of revision %d", revision)
}

// replay makes the decision of a bound pod again.
func replay(ctx context.Context, client kubernetes.Interface, profile *framework.Profile, now suggest.World,
	pod *corev1.Pod) (*podAnswer, error) {
	about := fmt.Sprintf("pod %s/%s is bound to %s", pod.Namespace, pod.Name, pod.Spec.NodeName)
	record, ok := recordOf(pod)
	unbound := pod.DeepCopy()
	unbound.Spec.NodeName = ""
	if !ok {
		a := answerFor(about, profile, now, unbound)
		a.Notes = append(a.Notes, "no scheduler of minik's recorded the decision: below is what it would be now")
		return a, nil
	}
	then, err := worldAt(ctx, client, int64(record.Nodes), int64(record.Pods))
	if apierrors.IsResourceExpired(err) {
		a := answerFor(about, profile, now, unbound)
		a.Notes = append(a.Notes, fmt.Sprintf("the state it was decided on (nodes of revision %d, pods of %d) is not kept any more: "+
			"below is what it would be now", record.Nodes, record.Pods))
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	for _, p := range then.Pods {
		if p.UID == pod.UID {
			unbound = p
		}
	}
	missing := assume(&then, now, record)
	a := answerFor(about, profile, then, unbound)
	a.Notes = append(a.Notes, fmt.Sprintf("decided on the nodes of revision %d and the pods of revision %d, with the decisions %s "+
		"that no event had shown yet", record.Nodes, record.Pods, orNone(record.Assumed)))
	same := a.Node == pod.Spec.NodeName && (a.nominated || slices.EqualFunc(a.Fit[:min(len(record.Best), len(a.Fit))], record.Best,
		func(f framework.NodeExplanation, best framework.NodeScore) bool { return f.Total == best.Score }))
	switch {
	case len(missing) > 0:
		a.Notes = append(a.Notes, fmt.Sprintf("the pods of the decisions %s are gone: without them the replay may differ",
			strings.Join(missing, ", ")))
	case same:
		a.Notes = append(a.Notes, "made again, it is the same decision with the same scores")
	}
	if !same {
		best := record.Best[0]
		a.Notes = append(a.Notes, fmt.Sprintf("it could not be made again exactly: %s scored %d then, perhaps with another "+
			"configuration", best.Node, best.Score))
	}
	return a, nil
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func recordOf(pod *corev1.Pod) (scheduler.Record, bool) {
	var record scheduler.Record
	err := json.Unmarshal([]byte(pod.Annotations[scheduler.DecisionAnnotation]), &record)
	return record, err == nil && len(record.Best) > 0
}

// assume puts the pods into the world that the decision counted as placed before an event showed it. Those that are gone by
// now are named.
func assume(then *suggest.World, now suggest.World, record scheduler.Record) (missing []string) {
	for _, sequence := range sequences(record.Assumed) {
		i := slices.IndexFunc(now.Pods, func(p *corev1.Pod) bool {
			r, ok := recordOf(p)
			return ok && r.Instance == record.Instance && r.Sequence == sequence
		})
		if i < 0 {
			missing = append(missing, strconv.FormatUint(sequence, 10))
			continue
		}
		placed := now.Pods[i]
		then.Pods = slices.DeleteFunc(then.Pods, func(p *corev1.Pod) bool { return p.UID == placed.UID })
		then.Pods = append(then.Pods, placed)
	}
	return missing
}

// sequences reads "7-9,11".
func sequences(text string) []uint64 {
	var out []uint64
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.ParseUint(first, 10, 64)
		if err != nil {
			continue
		}
		to := from
		if isRange {
			if to, err = strconv.ParseUint(last, 10, 64); err != nil {
				continue
			}
		}
		for n := from; n <= to; n++ {
			out = append(out, n)
		}
	}
	return out
}

// answerFor asks the scheduler's own function.
func answerFor(about string, profile *framework.Profile, world suggest.World, pod *corev1.Pod) *podAnswer {
	e := framework.Explain(profile, world.Snapshot(pod), pod)
	a := &podAnswer{About: about, Node: e.Decision.Node, Sentence: e.Decision.Reason(), nominated: e.Decision.Nominated}
	for _, n := range e.Nodes {
		if len(n.Rejections) > 0 {
			a.Rejected = append(a.Rejected, n)
		} else {
			a.Fit = append(a.Fit, n)
		}
	}
	slices.SortStableFunc(a.Fit, func(x, y framework.NodeExplanation) int {
		if x.Total != y.Total {
			return int(y.Total - x.Total)
		}
		return boolOrder(y.Node == a.Node) - boolOrder(x.Node == a.Node)
	})
	if a.Node == "" {
		a.Changes = suggest.Suggest(profile, world, pod)
	}
	return a
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}
