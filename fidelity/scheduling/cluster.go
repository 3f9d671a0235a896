package scheduling

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// noon is when everything begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// cluster is one that changes at random, of which several schedulers are told.
type cluster struct {
	random
	sides     []side
	nodes     map[string]*corev1.Node
	placed    []*corev1.Pod
	nominated []*corev1.Pod
	made      int // pods
}

// decisions is how many are made about pods of one cluster.
const decisions = 10

func nodeName(i int) string { return fmt.Sprintf("node-%d", i) }

// newCluster has some of everything.
func newCluster(seed int64, sides ...side) *cluster {
	c := &cluster{random: newRandom(seed), sides: sides, nodes: map[string]*corev1.Node{}}
	c.tell(side.clear)
	for i := range c.upTo(8) {
		c.setNode(nodeName(i))
	}
	for _, name := range []string{"default", "team", "empty"} {
		c.setNamespace(name)
	}
	for _, class := range classes() {
		c.tell(func(s side) { s.setClass(class) })
	}
	for i := range claims {
		if !c.oneIn(8) {
			c.setClaim(i)
		}
	}
	for i := range c.upTo(3) {
		c.setBudget(fmt.Sprint("budget", i))
	}
	for range c.upTo(6) * len(c.nodes) / 2 {
		c.place(c.placeable(), c.anyNode())
	}
	for range c.Intn(3) * c.Intn(2) {
		if len(c.nodes) > 0 {
			c.nominate(c.placeable(), c.anyNode())
		}
	}
	return c
}

// tell is for every side.
func (c *cluster) tell(event func(side)) {
	for _, s := range c.sides {
		event(s)
	}
}

// change is one thing that happens between two decisions.
func (c *cluster) change() {
	switch c.Intn(10) {
	case 0:
		c.setNode(nodeName(c.Intn(9)))
	case 1:
		if len(c.nodes) > 1 {
			node := c.nodes[c.anyNode()]
			delete(c.nodes, node.Name)
			c.tell(func(s side) { s.removeNode(node) })
		}
	case 2:
		c.setNamespace(pick(c.random, namespaces...))
	case 3, 4:
		c.removePod()
	case 5:
		c.setClaim(c.Intn(claims))
	case 6:
		c.beginDeletion()
	}
}

func (c *cluster) anyNode() string { return pick(c.random, slices.Sorted(maps.Keys(c.nodes))...) }

func (c *cluster) setNode(name string) {
	node := c.node(name)
	c.nodes[name] = node
	c.tell(func(s side) { s.setNode(node) })
}

func (c *cluster) setNamespace(name string) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		corev1.LabelMetadataName: name, "env": pick(c.random, "test", "live"),
	}}}
	c.tell(func(s side) { s.setNamespace(namespace) })
}

func (c *cluster) setClaim(i int) {
	for _, namespace := range []string{"default", "team"} {
		claim, volume := c.claim(namespace, claimName(namespace, i))
		c.tell(func(s side) { s.setClaim(claim) })
		if volume != nil {
			c.tell(func(s side) { s.setVolume(volume) })
		}
	}
}

func (c *cluster) setBudget(name string) {
	namespace, selector, allowed := c.budget()
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: selector, MinAvailable: &minAvailable},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed},
	}
	if len(c.placed) > 0 && c.oneIn(3) {
		budget.Status.DisruptedPods = map[string]metav1.Time{pick(c.random, c.placed...).Name: {Time: noon}}
	}
	c.tell(func(s side) { s.setBudget(budget) })
}

// newPod is one as the API server stores it.
func (c *cluster) newPod() *corev1.Pod {
	c.made++
	return stored(c.pod(c.made))
}

// placeable is one that may have a node.
func (c *cluster) placeable() *corev1.Pod {
	for {
		if pod := c.newPod(); len(pod.Spec.SchedulingGates) == 0 {
			return pod
		}
	}
}

// place puts the pod on a node, whether or not it fits: somebody bound it by hand, or the node changed since.
func (c *cluster) place(pod *corev1.Pod, node string) {
	pod = pod.DeepCopy()
	pod.Spec.NodeName, pod.Status.NominatedNodeName = node, ""
	pod.Status.Phase = corev1.PodRunning
	if c.oneIn(16) {
		pod.Status.Phase = pick(c.random, corev1.PodSucceeded, corev1.PodFailed)
	}
	// Pods that start at the same time are equally important, and upstream sorts them in no order that holds.
	if pod.Status.StartTime = nil; c.waits(node) || !c.oneIn(4) {
		pod.Status.StartTime = &metav1.Time{Time: noon.Add(time.Duration(c.Intn(1e6)) * time.Second)}
	}
	c.freePorts(pod)
	c.freeClaims(pod)
	c.resize(pod)
	if c.oneIn(12) {
		c.terminate(pod)
	}
	c.placed = append(c.placed, pod)
	c.tell(func(s side) { s.setPod(pod) })
}

// waits reports whether some pod on the node has not started.
func (c *cluster) waits(node string) bool {
	return slices.ContainsFunc(c.placed, func(p *corev1.Pod) bool { return p.Spec.NodeName == node && p.Status.StartTime == nil })
}

// freePorts takes the node's ports from a pod that it would share with another: no node runs both, and upstream forgets that a port is
// taken as soon as one of them goes.
func (c *cluster) freePorts(pod *corev1.Pod) {
	taken := map[int32]bool{}
	for _, p := range c.placed {
		if p.Spec.NodeName == pod.Spec.NodeName {
			eachPort(p, func(port *corev1.ContainerPort) { taken[port.HostPort] = true })
		}
	}
	eachPort(pod, func(port *corev1.ContainerPort) {
		if taken[port.HostPort] {
			port.HostPort = 0
		}
	})
}

// freeClaims takes claims for one pod from a pod that is not the first to use them.
func (c *cluster) freeClaims(pod *corev1.Pod) {
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && exclusive(v.PersistentVolumeClaim.ClaimName) &&
			slices.ContainsFunc(c.placed, func(p *corev1.Pod) bool { return p.Namespace == pod.Namespace && uses(p, v) })
	})
}

func uses(pod *corev1.Pod, claim corev1.Volume) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim.PersistentVolumeClaim.ClaimName
	})
}

func eachPort(pod *corev1.Pod, do func(*corev1.ContainerPort)) {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			for j := range containers[i].Ports {
				do(&containers[i].Ports[j])
			}
		}
	}
}

// resize has the node give the pod something else than it asks for, for now.
func (c *cluster) resize(pod *corev1.Pod) {
	first := &pod.Spec.Containers[0]
	if !c.oneIn(10) || first.Resources.Requests.Cpu().IsZero() {
		return
	}
	given := first.Resources.Requests.DeepCopy()
	given[corev1.ResourceCPU] = resource.MustParse(pick(c.random, "50m", "800m"))
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: first.Name, AllocatedResources: given, Resources: &corev1.ResourceRequirements{Requests: given},
	}}
	if c.oneIn(3) {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: corev1.PodResizePending, Status: corev1.ConditionTrue,
			Reason: pick(c.random, corev1.PodReasonInfeasible, corev1.PodReasonDeferred),
		})
	}
}

// terminate has the pod be on its way out, evicted by the scheduler or not.
func (c *cluster) terminate(pod *corev1.Pod) {
	if pod.DeletionTimestamp != nil {
		return
	}
	pod.DeletionTimestamp = &metav1.Time{Time: noon}
	if c.oneIn(2) {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue,
			Reason: pick(c.random, corev1.PodReasonPreemptionByScheduler, "EvictionByEvictionAPI"),
		})
	}
}

func (c *cluster) beginDeletion() {
	if len(c.placed) == 0 {
		return
	}
	i := c.Intn(len(c.placed))
	pod := c.placed[i].DeepCopy()
	c.terminate(pod)
	c.placed[i] = pod
	c.tell(func(s side) { s.setPod(pod) })
}

func (c *cluster) removePod() {
	if len(c.placed) == 0 {
		return
	}
	i := c.Intn(len(c.placed))
	pod := c.placed[i]
	c.placed = slices.Delete(c.placed, i, i+1)
	c.tell(func(s side) { s.removePod(pod) })
}

func (c *cluster) nominate(pod *corev1.Pod, node string) {
	c.unnominate(pod)
	pod = pod.DeepCopy()
	pod.Spec.NodeName, pod.Status.NominatedNodeName = "", node
	c.nominated = append(c.nominated, pod)
	c.tell(func(s side) { s.nominate(pod) })
}

func (c *cluster) unnominate(pod *corev1.Pod) {
	at := slices.IndexFunc(c.nominated, func(p *corev1.Pod) bool { return p.UID == pod.UID })
	if at < 0 {
		return
	}
	c.nominated = slices.Delete(c.nominated, at, at+1)
	free := pod.DeepCopy()
	free.Status.NominatedNodeName = ""
	c.tell(func(s side) { s.nominate(free) })
}

// next is the pod to decide about: one that waits for room that was made for it, or a new one.
func (c *cluster) next() *corev1.Pod {
	if len(c.nominated) > 0 && c.oneIn(4) {
		return pick(c.random, c.nominated...)
	}
	return c.newPod()
}

// carryOut does what was decided, most of the time.
func (c *cluster) carryOut(pod *corev1.Pod, v verdict) {
	switch {
	case v.gated != nil:
	case v.winner != "" && !c.oneIn(4):
		c.unnominate(pod)
		c.place(pod, v.winner)
	case v.preempts != "":
		c.nominate(pod, v.preempts)
	case v.withdrawn:
		c.unnominate(pod)
	}
}
