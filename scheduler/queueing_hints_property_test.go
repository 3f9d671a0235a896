package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/fake"
	corelisters "k8s.io/client-go/listers/core/v1"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"minik.dev/scheduler/framework"
)

// Random histories of everything that a scheduler watches, seen late and in any order of kinds, while it decides, binds,
// evicts and is refused: whenever nothing is left to see or to decide, no pod waits that the reference would place, or
// would make room for. Nobody flushes the queue, so that a pod is woken by what happens or never.
func TestNoPodWaitsThatFits(t *testing.T) {
	nodes := []string{"set node", "change node", "change node", "change node", "remove node"}
	pods := []string{"create pod", "create pod", "create pod", "remove pod", "remove pod", "change pod"}
	others := []string{"place pod", "replace pod", "nominate pod", "refuse"}
	claims := []string{"claim", "claim", "volume", "storage class"}
	for name, of := range map[string]theme{
		"all": {
			[]string{"plain", "port", "selector", "tolerates", "spread", "near", "urgent", "urgent"},
			[]string{"no more", "no more", "no more", "claim", "pinned", "gated"},
			slices.Concat(nodes, pods, pods, others, claims, []string{"namespace", "budget"}),
		},
		// The same fewer at a time, for longer chains of cause and effect.
		"nodes":    {[]string{"plain", "port", "selector", "tolerates"}, []string{"no more", "pinned"}, slices.Concat(nodes, pods)},
		"affinity": {[]string{"near"}, []string{"no more"}, slices.Concat(nodes, pods, []string{"namespace", "place pod"})},
		"spread":   {[]string{"spread"}, []string{"no more"}, slices.Concat(nodes, pods, []string{"place pod"})},
		"urgent":   {[]string{"urgent"}, []string{"no more"}, slices.Concat(nodes, pods, others, []string{"budget"})},
		"claims":   {[]string{"urgent"}, []string{"claim"}, slices.Concat(claims, pods, []string{"change node", "set node"})},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { newLife(t, of).run() })
		})
	}
}

// theme is what a history is about: kinds of pods, what else is about them, and what happens, often or seldom.
type theme struct{ pods, and, steps []string }

// life is an API server of plain maps with a scheduler that watches it.
type life struct {
	*history
	theme
	scheduler *Scheduler
	clock     *clocktesting.FakeClock
	lister    cache.Indexer
	revision  int
	kinds     map[string]*watched // by resource

	refuses  bool // bindings and evictions fail
	graceful bool // an evicted pod stays for a while
	seen     int  // how many changes are seen during each write
}

// watched is all objects of one kind, and how far the scheduler has seen them.
type watched struct {
	handler       cache.ResourceEventHandler
	objects, seen map[string]runtime.Object // by namespace/name
	unseen        []change
}

type change struct {
	key    string
	object runtime.Object // nil: it was deleted
}

func newLife(t *rapid.T, of theme) *life {
	l := &life{
		history: newHistory(t, of.pods), theme: of, clock: clocktesting.NewFakeClock(noon),
		lister: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{}),
	}
	client := &fake.Clientset{}
	client.AddReactor("*", "*", l.serve)
	s := newScheduler(client, Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Clock: l.clock})
	s.pods = corelisters.NewPodLister(l.lister)
	l.scheduler = s
	l.kinds = map[string]*watched{}
	for resource, handler := range map[string]cache.ResourceEventHandler{
		"nodes":      s.nodeEvents(),
		"pods":       s.podEvents(),
		"namespaces": changes(s, s.snapshot.SetNamespace, s.snapshot.RemoveNamespace),
		"budgets":    changes(s, s.snapshot.SetBudget, s.snapshot.RemoveBudget),
		"claims":     changes(s, s.snapshot.SetClaim, s.snapshot.RemoveClaim),
		"volumes":    changes(s, s.snapshot.SetVolume, s.snapshot.RemoveVolume),
		"classes":    changes(s, s.snapshot.SetClass, s.snapshot.RemoveClass),
	} {
		l.kinds[resource] = &watched{handler, map[string]runtime.Object{}, map[string]runtime.Object{}, nil}
	}
	return l
}

func (l *life) run() {
	for range rapid.IntRange(0, 4).Draw(l.T, "nodes") {
		l.put("nodes", l.node("n1", "n2", "n3", "n4"))
	}
	l.graceful = rapid.Bool().Draw(l.T, "graceful")
	steps := map[string]func(){
		"set node": func() { l.put("nodes", l.node("n1", "n2", "n3", "n4")) }, "change node": l.changeNode,
		"remove node": func() { l.drop("nodes", l.key("nodes")) },
		"create pod":  l.createPod, "remove pod": func() { l.drop("pods", l.key("pods")) }, "change pod": l.changePod,
		"place pod": l.placePod, "replace pod": l.replacePod, "nominate pod": l.nominatePod,
		"namespace": func() { l.put("namespaces", l.namespace()) }, "budget": func() { l.put("budgets", l.budget()) },
		"claim": l.setClaim, "volume": l.setVolume, "storage class": l.setClass,
		"refuse": func() { l.refuses = !l.refuses },
	}
	// Seen and decided about step by step, each event has to wake whom it helps; seen late, they come in any order.
	calm := rapid.Bool().Draw(l.T, "calm")
	for range rapid.IntRange(5, 40).Draw(l.T, "steps") {
		steps[l.pick("step", l.steps...)]()
		switch {
		case calm || l.pick("then", "settle", "go on", "go on", "go on") == "settle":
			l.settle()
			l.check()
		default:
			for range rapid.IntRange(0, 2).Draw(l.T, "looks") {
				l.see()
				l.schedule()
			}
		}
	}
	l.settle()
	l.check()
	for _, key := range slices.Sorted(maps.Keys(l.kinds["pods"].objects)) { // what was to go is gone
		if l.podAt(key).DeletionTimestamp != nil {
			l.drop("pods", key)
		}
	}
	l.settle()
	l.check()
}

// put stores an object, and drop removes one; the scheduler sees it later.
func (l *life) put(resource string, object runtime.Object) {
	l.revision++
	object = object.DeepCopyObject()
	meta := object.(metav1.Object)
	meta.SetResourceVersion(strconv.Itoa(l.revision))
	key, err := cache.MetaNamespaceKeyFunc(object)
	require.NoError(l, err)
	l.kinds[resource].objects[key] = object
	l.kinds[resource].unseen = append(l.kinds[resource].unseen, change{key, object})
}

func (l *life) drop(resource, key string) {
	kind := l.kinds[resource]
	if _, ok := kind.objects[key]; ok {
		delete(kind.objects, key)
		kind.unseen = append(kind.unseen, change{key, nil})
	}
}

// key is one of the kind's objects; empty where there is none.
func (l *life) key(resource string) string {
	keys := slices.Sorted(maps.Keys(l.kinds[resource].objects))
	if len(keys) == 0 {
		return ""
	}
	return rapid.SampledFrom(keys).Draw(l.T, resource)
}

func (l *life) podAt(key string) *corev1.Pod {
	pod, _ := l.kinds["pods"].objects[key].(*corev1.Pod)
	return pod.DeepCopy()
}

// next shows the scheduler the oldest change of the kind that it has not seen.
func (l *life) next(resource string) {
	kind := l.kinds[resource]
	if len(kind.unseen) == 0 {
		return
	}
	l.clock.Step(time.Millisecond) // so that no two pods wait equally long
	c := kind.unseen[0]
	kind.unseen = kind.unseen[1:]
	before, known := kind.seen[c.key]
	if c.object == nil {
		if known {
			delete(kind.seen, c.key)
			if resource == "pods" {
				require.NoError(l, l.lister.Delete(before))
			}
			kind.handler.OnDelete(before)
		}
		return
	}
	object, err := framework.Slim(c.object.DeepCopyObject())
	require.NoError(l, err)
	kind.seen[c.key] = object.(runtime.Object)
	if resource == "pods" {
		require.NoError(l, l.lister.Update(object))
	}
	if known {
		kind.handler.OnUpdate(before, object)
	} else {
		kind.handler.OnAdd(object, false)
	}
}

// see shows some of what has happened, or, after a watch that broke, how it is by now.
func (l *life) see() {
	resource := l.pick("resource", slices.Sorted(maps.Keys(l.kinds))...)
	kind := l.kinds[resource]
	if l.pick("watch", "works", "works", "works", "broke") == "broke" {
		kind.unseen = nil
		for _, key := range slices.Sorted(maps.Keys(kind.seen)) {
			if kind.objects[key] == nil {
				kind.unseen = append(kind.unseen, change{key, nil})
			}
		}
		for _, key := range slices.Sorted(maps.Keys(kind.objects)) {
			kind.unseen = append(kind.unseen, change{key, kind.objects[key]})
		}
	}
	for range rapid.IntRange(1, 5).Draw(l.T, "changes") {
		l.next(resource)
	}
}

func (l *life) seeAll() {
	for _, resource := range slices.Sorted(maps.Keys(l.kinds)) {
		for len(l.kinds[resource].unseen) > 0 {
			l.next(resource)
		}
	}
}

// schedule makes one decision and writes what it means.
func (l *life) schedule() bool {
	l.history.Helper()
	l.seen = rapid.IntRange(0, 2).Draw(l.T, "seen during writes")
	decided := l.scheduler.scheduleNext(context.Background())
	require.NoError(l, l.scheduler.writers.Wait())
	return decided
}

// settle goes on until everything is seen, and nothing is left to decide.
func (l *life) settle() {
	l.refuses = false
	for range 1000 {
		l.seeAll()
		if l.schedule() {
			continue
		}
		next, ok := l.scheduler.queue.next()
		if !ok {
			return
		}
		if next.After(l.clock.Now()) {
			l.clock.SetTime(next)
		}
	}
	l.Fatal("the scheduler decides on and on")
}

// serve is the API server.
func (l *life) serve(action clienttesting.Action) (bool, runtime.Object, error) {
	defer func() {
		for range l.seen {
			l.next("pods")
			l.next("nodes")
		}
	}()
	if action.GetResource().Resource != "pods" {
		return true, nil, nil
	}
	switch a := action.(type) {
	case clienttesting.PatchAction:
		pod := l.podAt(a.GetNamespace() + "/" + a.GetName())
		return l.patch(pod, a.GetPatch())
	case clienttesting.DeleteActionImpl:
		key := a.Namespace + "/" + a.Name
		pod := l.podAt(key)
		switch {
		case l.refuses:
			return true, nil, errors.New("etcd is full")
		case pod == nil || pod.UID != *a.DeleteOptions.Preconditions.UID:
			return true, nil, apierrors.NewNotFound(corev1.Resource("pods"), a.Name)
		case !l.graceful:
			l.drop("pods", key)
		case pod.DeletionTimestamp == nil:
			pod.DeletionTimestamp = &metav1.Time{Time: noon}
			l.put("pods", pod)
		}
		return true, nil, nil
	}
	binding := action.(clienttesting.CreateAction).GetObject().(*corev1.Binding)
	pod := l.podAt(binding.Namespace + "/" + binding.Name)
	switch {
	case l.refuses:
		return true, nil, errors.New("etcd is full")
	case pod == nil:
		return true, nil, apierrors.NewNotFound(corev1.Resource("pods"), binding.Name)
	case pod.UID != binding.UID || pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil:
		return true, nil, apierrors.NewConflict(corev1.Resource("pods"), binding.Name, errors.New("it changed"))
	}
	l.placeOn(pod, binding.Target.Name)
	return true, binding, nil
}

func (l *life) placeOn(pod *corev1.Pod, node string) {
	pod.Spec.NodeName, pod.Status.NominatedNodeName = node, ""
	pod.Status.StartTime = &metav1.Time{Time: l.clock.Now()}
	l.put("pods", pod)
}

func (l *life) patch(pod *corev1.Pod, patch []byte) (bool, runtime.Object, error) {
	var wanted struct{ Metadata struct{ UID types.UID } }
	require.NoError(l, json.Unmarshal(patch, &wanted))
	if pod == nil {
		return true, nil, apierrors.NewNotFound(corev1.Resource("pods"), "")
	}
	if pod.UID != wanted.Metadata.UID {
		return true, nil, apierrors.NewConflict(corev1.Resource("pods"), pod.Name, errors.New("it is another"))
	}
	text, err := json.Marshal(pod)
	require.NoError(l, err)
	text, err = strategicpatch.StrategicMergePatch(text, patch, corev1.Pod{})
	require.NoError(l, err)
	pod = &corev1.Pod{}
	require.NoError(l, json.Unmarshal(text, pod))
	l.put("pods", pod)
	return true, l.podAt(pod.Namespace + "/" + pod.Name), nil
}

// changeNode changes one thing about a node.
func (l *life) changeNode() {
	key := l.key("nodes")
	if key == "" {
		return
	}
	node := l.kinds["nodes"].objects[key].DeepCopyObject().(*corev1.Node)
	other := l.node(node.Name)
	switch l.pick("of the node", "labels", "taints", "cordon", "allocatable") {
	case "labels":
		node.Labels = other.Labels
	case "taints":
		node.Spec.Taints = other.Spec.Taints
	case "cordon":
		node.Spec.Unschedulable = !node.Spec.Unschedulable
	case "allocatable":
		node.Status.Allocatable = other.Status.Allocatable
	}
	l.put("nodes", node)
}

func (l *life) createPod() {
	pod := l.pod()
	switch l.pick("and", l.and...) {
	case "claim":
		pod.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: l.pick("claim", "a", "b")},
		}}}
	case "pinned":
		pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{
					Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{l.pick("pin", "n1", "n2")},
				}}}},
			},
		}}
	case "gated":
		pod.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/quota"}}
	}
	l.put("pods", pod)
}

// changePod is what others do to a pod.
func (l *life) changePod() {
	key := l.key("pods")
	if key == "" {
		return
	}
	pod := l.podAt(key)
	switch l.pick("of the pod", "labels", "requests", "begin deletion", "end", "gate") {
	case "labels":
		pod.Labels["app"] = l.pick("app", "web", "other")
	case "requests": // resized in place
		if pod.Spec.NodeName != "" {
			requests := corev1.ResourceList{}
			maps.Copy(requests, pod.Spec.Containers[0].Resources.Requests)
			requests[corev1.ResourceCPU] = resources(l.pick("resized", "100m", "500m", "900m"), "0")[corev1.ResourceCPU]
			pod.Spec.Containers[0].Resources.Requests = requests
		}
	case "begin deletion":
		pod.DeletionTimestamp = &metav1.Time{Time: noon}
	case "end":
		if pod.Spec.NodeName != "" {
			pod.Status.Phase = corev1.PodSucceeded
		}
	case "gate":
		pod.Spec.SchedulingGates = nil
	}
	l.put("pods", pod)
}

// nominatePod is what others may write into a pod that waits.
func (l *life) nominatePod() {
	if pod := l.podAt(l.key("pods")); pod != nil && pod.Spec.NodeName == "" {
		pod.Status.NominatedNodeName = l.pick("nominated", "", "n1", "n2")
		l.put("pods", pod)
	}
}

// placePod is what another scheduler does, or a node with a pod of its own.
func (l *life) placePod() {
	pod := l.podAt(l.key("pods"))
	if pod == nil || pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil {
		pod = l.pod()
	}
	pod.Spec.SchedulingGates = nil
	l.placeOn(pod, l.pick("on", "n1", "n2", "n3", "n4"))
}

// replacePod deletes a pod and makes another of its name, without the watch showing the deletion.
func (l *life) replacePod() {
	if key := l.key("pods"); key != "" {
		old, pod := l.podAt(key), l.pod()
		pod.Namespace, pod.Name = old.Namespace, old.Name
		l.put("pods", pod)
	}
}

func (l *life) setClaim() {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: l.pick("claim", "a", "b")}}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{
		corev1.PersistentVolumeAccessMode(l.pick("mode", "ReadWriteOnce", "ReadWriteOncePod"))}
	class := "class"
	claim.Spec.StorageClassName = &class
	switch l.pick("claim is", "bound", "bound", "bound", "pending", "lost", "leaving", "gone") {
	case "bound":
		claim.Spec.VolumeName, claim.Status.Phase = l.pick("volume", "v1", "v2"), corev1.ClaimBound
	case "pending":
		claim.Status.Phase = corev1.ClaimPending
	case "lost":
		claim.Status.Phase = corev1.ClaimLost
	case "leaving":
		claim.Spec.VolumeName, claim.Status.Phase = l.pick("volume", "v1", "v2"), corev1.ClaimBound
		claim.DeletionTimestamp = &metav1.Time{Time: noon}
	case "gone":
		l.drop("claims", "default/"+claim.Name)
		return
	}
	l.put("claims", claim)
}

func (l *life) setVolume() {
	name := l.pick("volume", "v1", "v2")
	if l.pick("volume is", "there", "there", "there", "gone") == "gone" {
		l.drop("volumes", name)
		return
	}
	l.put("volumes", &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{
				Key: "disk", Operator: corev1.NodeSelectorOpIn, Values: []string{l.pick("disk", "ssd", "hdd")},
			}}}},
		}}},
	})
}

func (l *life) setClass() {
	mode := storagev1.VolumeBindingMode(l.pick("binding", "Immediate", "WaitForFirstConsumer"))
	l.put("classes", &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "class"}, VolumeBindingMode: &mode})
}

// check asks the reference about every pod that waits.
func (l *life) check() {
	r := l.reference()
	for _, key := range slices.Sorted(maps.Keys(l.kinds["pods"].objects)) {
		pod := l.podAt(key)
		if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || len(pod.Spec.SchedulingGates) > 0 {
			continue
		}
		item := l.scheduler.queue.parked[pod.UID]
		require.NotNil(l, item, "%s waits, and the queue does not know it", key)
		var fits []string
		for _, node := range r.nodes {
			if r.rejectsNominated(pod, node) == nil {
				fits = append(fits, node.Name)
			}
		}
		require.Empty(l, fits, "%s waits for %v, and fits there", key, item.Plugins)
		if found, _ := r.preempt(pod, func(int) int { return 0 }); found != nil && !l.leaving(pod) {
			require.Fail(l, "a pod waits that could have room made for it", "%s waits for %v, and could preempt on %s",
				key, item.Plugins, found.node)
		}
	}
}

// leaving reports whether pods of lower priority leave the node that the pod is nominated for: it waits for them.
func (l *life) leaving(pod *corev1.Pod) bool {
	for _, object := range l.kinds["pods"].objects {
		p := object.(*corev1.Pod)
		if p.Spec.NodeName != "" && p.Spec.NodeName == pod.Status.NominatedNodeName && p.DeletionTimestamp != nil &&
			p.Status.Phase != corev1.PodSucceeded && referencePriority(p) < referencePriority(pod) {
			return true
		}
	}
	return false
}

// reference is the cluster as it is.
func (l *life) reference() *reference {
	r := &reference{namespaces: map[string]map[string]string{}, claims: map[string]*corev1.PersistentVolumeClaim{},
		volumes: map[string]*corev1.PersistentVolume{}, classes: map[string]*storagev1.StorageClass{}}
	for _, resource := range slices.Sorted(maps.Keys(l.kinds)) {
		objects := l.kinds[resource].objects
		for _, key := range slices.Sorted(maps.Keys(objects)) {
			switch o := objects[key].(type) {
			case *corev1.Node:
				r.nodes = append(r.nodes, o)
			case *corev1.Pod:
				switch {
				case o.Spec.NodeName != "" && o.Status.Phase != corev1.PodSucceeded:
					r.pods = append(r.pods, o)
				case o.Spec.NodeName == "" && o.Status.NominatedNodeName != "" && o.DeletionTimestamp == nil:
					r.nominated = append(r.nominated, o)
				}
			case *corev1.Namespace:
				r.namespaces[o.Name] = o.Labels
			case *policyv1.PodDisruptionBudget:
				r.budgets = append(r.budgets, o)
			case *corev1.PersistentVolumeClaim:
				r.claims[key] = o
			case *corev1.PersistentVolume:
				r.volumes[key] = o
			case *storagev1.StorageClass:
				r.classes[key] = o
			default:
				l.Fatal(fmt.Sprintf("no %T", o))
			}
		}
	}
	return r
}
