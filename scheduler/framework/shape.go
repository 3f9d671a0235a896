package framework

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

	// refused is what a plugin says to the pod itself, whatever the node: the first that does. pins are the only nodes that may be
	// asked, nil where any may; pinnedBy are the plugins that name them. (Upstream's PreFilter: its status, and its result.)
	refused  *Rejection
	pins     sets.Set[string]
	pinnedBy []string

	// What follows is prepared by the plugins' rows.
	nodeName  string
	requests  amounts
	scored    amounts
	extended  []corev1.ResourceName // of requests, sorted
	ports     []hostPort
	required  nodeaffinity.RequiredNodeAffinity
	added     *nodeaffinity.NodeSelector // what the profile requires of nodes; nil for nothing
	preferred *nodeaffinity.PreferredSchedulingTerms
	tolerates []corev1.Toleration
	soft      []corev1.Toleration // those that concern PreferNoSchedule taints
	preempts  bool                // spec.preemptionPolicy allows it
	spread    spread
	affinity  affinity
	images    []string
	volumes   volumes
	exclusive exclusiveClaims
	zones     volumeZones
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

// refuse keeps the pod from every node, unless some plugin has done so already.
func (s *shape) refuse(plugin, format string, args ...any) {
	if s.refused == nil {
		s.refused = reject(plugin, true, fmt.Sprintf(format, args...))
		s.refused.OfPod = true
	}
}

// pin leaves none but the named nodes to be asked.
func (s *shape) pin(plugin string, nodes sets.Set[string]) {
	s.pinnedBy = append(s.pinnedBy, plugin)
	slices.Sort(s.pinnedBy)
	if s.pins == nil {
		s.pins = nodes
	} else if s.pins = s.pins.Intersection(nodes); len(s.pins) == 0 {
		s.refuse(plugin, "node(s) didn't satisfy plugin(s) %v simultaneously", s.pinnedBy)
	}
}

// notPinned rejects the nodes that are not to be asked.
func (s *shape) notPinned() *Rejection {
	return reject(s.pinnedBy[0], true, fmt.Sprintf("node(s) didn't satisfy plugin(s) %v", s.pinnedBy))
}

// askedOf is the shape as it is asked of the node that the pod is nominated for: that one is asked first, pinned or not.
func (s *shape) askedOf(nominated *NodeInfo) *shape {
	if s.pins == nil || s.pins.Has(nominated.Node.Name) {
		return s
	}
	asked := *s
	asked.pins = nil
	return &asked
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

// AskTheSame reports whether the two versions of a pod ask the same of nodes, and the same pods mean them.
func (p *Profile) AskTheSame(a, b *corev1.Pod) bool {
	return bytes.Equal(podKey(p, a), podKey(p, b)) && maps.Equal(a.Labels, b.Labels)
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

// Slim drops from an object what no decision reads, before it is kept in memory. It is a cache.TransformFunc.
func Slim(obj any) (any, error) {
	switch obj := obj.(type) {
	case *corev1.Node:
		slimMeta(&obj.ObjectMeta)
		obj.Status = corev1.NodeStatus{Allocatable: obj.Status.Allocatable, Images: obj.Status.Images}
	case *corev1.Namespace:
		slimMeta(&obj.ObjectMeta)
	case *policyv1.PodDisruptionBudget:
		slimMeta(&obj.ObjectMeta)
	case *corev1.Pod:
		slimMeta(&obj.ObjectMeta)
		slimContainers(obj.Spec.Containers)
		slimContainers(obj.Spec.InitContainers)
		obj.Spec.EphemeralContainers = nil
		obj.Spec.Volumes = slimVolumes(obj.Spec.Volumes)
		slimStatus(&obj.Status)
	}
	return obj, nil
}

func slimMeta(meta *metav1.ObjectMeta) {
	meta.ManagedFields, meta.Annotations, meta.Finalizers = nil, nil, nil
}

// slimVolumes keep the claims.
func slimVolumes(volumes []corev1.Volume) []corev1.Volume {
	var kept []corev1.Volume
	for _, v := range volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			kept = append(kept, v)
		case v.Ephemeral != nil:
			v.Ephemeral = &corev1.EphemeralVolumeSource{}
			kept = append(kept, v)
		}
	}
	return kept
}

func slimContainers(containers []corev1.Container) {
	for i, c := range containers {
		containers[i] = corev1.Container{
			Name: c.Name, Image: c.Image, Ports: c.Ports, Resources: c.Resources, RestartPolicy: c.RestartPolicy,
		}
	}
}

func slimStatus(status *corev1.PodStatus) {
	kept := corev1.PodStatus{
		Phase: status.Phase, StartTime: status.StartTime, NominatedNodeName: status.NominatedNodeName,
		Resources: status.Resources, AllocatedResources: status.AllocatedResources,
	}
	for _, c := range status.Conditions {
		if c.Type == corev1.PodScheduled || c.Type == corev1.PodResizePending || c.Type == corev1.DisruptionTarget {
			kept.Conditions = append(kept.Conditions, c)
		}
	}
	kept.ContainerStatuses = slimStatuses(status.ContainerStatuses)
	kept.InitContainerStatuses = slimStatuses(status.InitContainerStatuses)
	*status = kept
}

// slimStatuses keep the statuses that say what a container was really given.
func slimStatuses(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	var kept []corev1.ContainerStatus
	for _, c := range statuses {
		if c.Resources != nil || c.AllocatedResources != nil {
			kept = append(kept, corev1.ContainerStatus{
				Name: c.Name, Resources: c.Resources, AllocatedResources: c.AllocatedResources,
			})
		}
	}
	return kept
}
