package scheduler

import (
	"encoding/json"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

// shape is all of a pod that decides where it fits and scores, read once. Pods of one owner have the same shape, so
// what is worked out for the first of them is there for the next.
type shape struct {
	namespace  string
	nodeName   string
	requests   amounts
	scored     amounts
	extended   []corev1.ResourceName // of requests, sorted
	ports      []hostPort
	required   nodeaffinity.RequiredNodeAffinity
	pins       sets.Set[string] // the only nodes that required affinity names; nil where it names none
	preferred  *nodeaffinity.PreferredSchedulingTerms
	tolerates  []corev1.Toleration
	soft       []corev1.Toleration // those that concern PreferNoSchedule taints
	priority   int32
	preempts   bool // spec.preemptionPolicy allows it
	controller types.UID
	spread     spread
	affinity   affinity
	images     []string
	volumes    volumes
	added      *nodeaffinity.NodeSelector // what the profile requires of nodes; nil for nothing
}

// newShape reads the pod as the profile looks at it, with what the snapshot's placed pods say of it.
func newShape(p *Profile, snapshot *Snapshot, pod *corev1.Pod) *shape {
	s := &shape{
		namespace: pod.Namespace,
		nodeName:  pod.Spec.NodeName,
		requests:  requests(pod, false),
		scored:    scoredRequests(pod, false),
		ports:     hostPorts(pod),
		required:  nodeaffinity.GetRequiredNodeAffinity(pod),
		pins:      pins(pod),
		tolerates: pod.Spec.Tolerations,
		priority:  schedulinghelpers.PodPriority(pod),
		preempts:  pod.Spec.PreemptionPolicy == nil || *pod.Spec.PreemptionPolicy != corev1.PreemptNever,
	}
	s.extended = slices.DeleteFunc(s.requests.extendedNames(), p.ignores)
	s.images, s.added = podImages(pod), p.AddedAffinity.required
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		s.controller = owner.UID
	}
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		// The API server refuses terms that cannot be read, so an error can only mean that nothing is preferred.
		s.preferred, _ = nodeaffinity.NewPreferredSchedulingTerms(
			a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	for _, t := range pod.Spec.Tolerations {
		if t.Effect == "" || t.Effect == corev1.TaintEffectPreferNoSchedule {
			s.soft = append(s.soft, t)
		}
	}
	s.spread = newSpread(p, pod, s.controller)
	s.affinity = newAffinity(p, snapshot, pod)
	s.volumes = newVolumes(p, snapshot, pod)
	return s
}

// compares reports whether some filter judges a node by others.
func (s *shape) compares() bool { return len(s.spread.hard) > 0 || s.affinity.filters }

// shapeKey names the pod's shape: pods of equal key have equal shapes. It is written without reading the shape,
// because it is asked for with every pod. Of the pod's labels it has only what they do: the pods of a StatefulSet,
// each labelled with its name, have one shape.
func shapeKey(p *Profile, snapshot *Snapshot, pod *corev1.Pod) string {
	b := podKey(p, pod)
	for _, t := range snapshot.terms.matching(p, pod, snapshot.namespaces) {
		b = append(strconv.AppendUint(b, t.id, 10), ';')
	}
	for _, w := range writtenTerms(pod) {
		if w.NamespaceSelector != nil { // the namespaces that it selects are part of the shape
			b = append(strconv.AppendUint(b, snapshot.namespacesAt, 10), 'n')
			break
		}
	}
	return string(appendVolumes(b, p, snapshot, pod))
}

// podKey is the part of the shape's key that the pod alone decides.
func podKey(p *Profile, pod *corev1.Pod) []byte {
	b := make([]byte, 0, 512)
	word := func(s string) {
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(append(b, ':'), s...)
	}
	word(p.Name)
	word(pod.Namespace)
	word(pod.Spec.NodeName)
	b = strconv.AppendInt(b, int64(schedulinghelpers.PodPriority(pod)), 10)
	if pod.Spec.PreemptionPolicy != nil {
		word(string(*pod.Spec.PreemptionPolicy))
	}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		word(string(owner.UID))
	}
	b = append(b, 'r')
	b = appendAmounts(b, requests(pod, false))
	b = appendAmounts(b, scoredRequests(pod, false))
	for _, port := range hostPorts(pod) {
		word(port.ip)
		word(string(port.protocol))
		b = strconv.AppendInt(b, int64(port.port), 10)
	}
	if p.Weights[ImageLocality] > 0 {
		for _, image := range podImages(pod) {
			word(image)
		}
	}
	b = append(b, 't')
	for i := range pod.Spec.Tolerations {
		t := &pod.Spec.Tolerations[i]
		word(t.Key)
		word(string(t.Operator))
		word(t.Value)
		word(string(t.Effect))
	}
	b = append(b, 'a')
	if len(pod.Spec.NodeSelector) > 0 {
		b = appendJSON(b, pod.Spec.NodeSelector)
	}
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		b = appendJSON(b, a.NodeAffinity)
	}
	if len(pod.Spec.TopologySpreadConstraints) > 0 {
		b = appendJSON(b, pod.Spec.TopologySpreadConstraints)
		b = appendJSON(b, pod.Labels)
	}
	needy := false
	for _, w := range writtenTerms(pod) {
		word(w.name(pod))
		needy = needy || w.kind == needs
	}
	if needy { // whether the pod itself is meant
		b = appendJSON(b, pod.Labels)
	}
	return append(b, '|')
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
