package scheduling

import (
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/scheduler"
	"minik.dev/scheduler/framework"
)

// minik is minik's, told of the cluster as its watches would tell it.
type minik struct {
	*scheduler.Configuration
	snapshot *framework.Snapshot
}

func newMinik(configuration string) (*minik, error) {
	c, err := scheduler.LoadConfiguration(configuration)
	return &minik{c, framework.NewSnapshot()}, err
}

func (m *minik) clear() { m.snapshot = framework.NewSnapshot() }

// slim is the object without what the scheduler drops before it keeps it.
func slim[T runtime.Object](obj T) T {
	kept, err := framework.Slim(obj.DeepCopyObject())
	must(err)
	return kept.(T)
}

func (m *minik) setNode(node *corev1.Node)                    { m.snapshot.SetNode(slim(node)) }
func (m *minik) removeNode(node *corev1.Node)                 { m.snapshot.RemoveNode(node) }
func (m *minik) setNamespace(namespace *corev1.Namespace)     { m.snapshot.SetNamespace(slim(namespace)) }
func (m *minik) setPod(pod *corev1.Pod)                       { m.snapshot.AddPod(slim(pod)) }
func (m *minik) removePod(pod *corev1.Pod)                    { m.snapshot.RemovePod(pod) }
func (m *minik) setBudget(b *policyv1.PodDisruptionBudget)    { m.snapshot.SetBudget(slim(b)) }
func (m *minik) setClass(class *storagev1.StorageClass)       { m.snapshot.SetClass(slim(class)) }
func (m *minik) setClaim(claim *corev1.PersistentVolumeClaim) { m.snapshot.SetClaim(slim(claim)) }
func (m *minik) setVolume(volume *corev1.PersistentVolume)    { m.snapshot.SetVolume(slim(volume)) }

func (m *minik) nominate(pod *corev1.Pod) {
	if pod.Status.NominatedNodeName == "" {
		m.snapshot.Unnominate(pod.UID)
		return
	}
	m.snapshot.Nominate(slim(pod), pod.Status.NominatedNodeName)
}

func (m *minik) decide(pod *corev1.Pod) verdict {
	pod = slim(pod)
	if r := framework.Gated(pod); r != nil {
		return verdict{gated: answered(r)}
	}
	profile := m.Profiles[pod.Spec.SchedulerName]
	e := framework.Explain(profile, m.snapshot, pod)
	d := framework.Schedule(profile, m.snapshot, pod)
	v := verdict{
		rejected: map[string]rejection{}, scores: map[string]map[string]int64{}, winner: d.Node, message: d.Message, withdrawn: d.Withdrawn,
	}
	if !reflect.DeepEqual(e.Decision, d) {
		v.broken = fmt.Sprintf("Explain decides %+v, Schedule %+v", e.Decision, d)
	}
	for _, n := range e.Nodes {
		if len(n.Rejections) > 0 {
			if r := &n.Rejections[0]; r.OfPod {
				v.refused = answered(r)
			} else {
				v.rejected[n.Node] = *answered(r)
			}
			continue
		}
		v.scores[n.Node] = map[string]int64{}
		for _, s := range n.Scores {
			v.scores[n.Node][s.Plugin] = s.Score * s.Weight
		}
	}
	v.waits = strings.Contains(d.Message, "preemption: not eligible")
	if p := d.Preemption; p != nil {
		v.preempts = p.Node
	}
	for _, c := range d.Candidates() {
		if v.victims == nil {
			v.victims = map[string]string{}
		}
		v.victims[c.Node] = victimsOf(c.Victims, c.Violations)
	}
	return v
}

func answered(r *framework.Rejection) *rejection {
	return newRejection(r.Plugin, r.Unresolvable, r.Reasons)
}
