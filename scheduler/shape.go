package scheduler

import (
	"encoding/json"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// shape is all of a pod that decides where it fits and scores, read once. Pods of one owner have the same shape, so
// what is worked out for the first of them is there for the next.
type shape struct {
	namespace string
	priority  int32
	compares  bool // some filter judges a node by others

	// What follows is prepared by the plugins' rows.
	nodeName  string
	requests  amounts
	scored    amounts
	extended  []corev1.ResourceName // of requests, sorted
	ports     []hostPort
	required  nodeaffinity.RequiredNodeAffinity
	added     *nodeaffinity.NodeSelector // what the profile requires of nodes; nil for nothing
	pins      sets.Set[string]           // the only nodes that required affinity names; nil where it names none
	preferred *nodeaffinity.PreferredSchedulingTerms
	tolerates []corev1.Toleration
	soft      []corev1.Toleration // those that concern PreferNoSchedule taints
	preempts  bool                // spec.preemptionPolicy allows it
	spread    spread
	affinity  affinity
	images    []string
	volumes   volumes
	exclusive exclusiveClaims
}

// newShape reads the pod as the profile looks at it, with what the snapshot's placed pods say of it.
func newShape(p *Profile, snapshot *Snapshot, pod *corev1.Pod) *shape {
	s := &shape{namespace: pod.Namespace, priority: schedulinghelpers.PodPriority(pod)}
	for i := range p.plugins {
		if prepare := p.plugins[i].prepare; prepare != nil {
			prepare(s, p, snapshot, pod)
		}
	}
	return s
}

// shapeKey names the pod's shape: pods of equal key have equal shapes. It is written without reading the shape,
// because it is asked for with every pod.
func shapeKey(p *Profile, snapshot *Snapshot, pod *corev1.Pod) string {
	b := podKey(p, pod)
	for i := range p.plugins {
		if key := p.plugins[i].clusterKey; key != nil {
			b = key(b, p, snapshot, pod)
		}
	}
	return string(b)
}

// everyShape are the fields that are part of the shape whatever the plugins: which pods go before it, and whose terms mean it.
var everyShape = []string{"metadata.namespace", "spec.priority"}

// podKey is the part of the shape's key that the pod alone decides.
func podKey(p *Profile, pod *corev1.Pod) []byte {
	b := appendWord(appendWord(make([]byte, 0, 512), p.Name), pod.Namespace)
	b = strconv.AppendInt(b, int64(schedulinghelpers.PodPriority(pod)), 10)
	for i := range p.plugins {
		if key := p.plugins[i].key; key != nil {
			b = key(b, p, pod)
		}
	}
	return append(b, '|')
}

// appendWord adds a text of any content, so that it is told from what follows.
func appendWord(b []byte, text string) []byte {
	return append(append(strconv.AppendInt(b, int64(len(text)), 10), ':'), text...)
}

func appendAmounts(b []byte, a amounts) []byte {
	for _, n := range []int64{a.milliCPU, a.memory, a.ephemeralStorage} {
		b = append(strconv.AppendInt(b, n, 10), ',')
	}
	for _, name := range a.extendedNames() {
		b = append(strconv.AppendInt(append(append(b, name...), '='), a.extended[name], 10), ',')
	}
	return b
}

// appendJSON appends values that always have a JSON form: maps and API types, with sorted keys.
func appendJSON(b []byte, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic("scheduler: an API type without JSON form: " + err.Error())
	}
	return append(b, text...)
}
