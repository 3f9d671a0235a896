package garbagecollector

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	metadatafake "k8s.io/client-go/metadata/fake"
	"pgregory.net/rapid"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/loop"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion
func TestClassify(t *testing.T) {
	yes := true
	ref := func(uid string) metav1.OwnerReference {
		return metav1.OwnerReference{UID: types.UID(uid), BlockOwnerDeletion: &yes}
	}
	owned := func(uids ...string) *gcObject {
		obj := &gcObject{UID: "it"}
		for _, uid := range uids {
			obj.Owners = append(obj.Owners, ref(uid))
		}
		return obj
	}
	blocking := &gcObject{UID: "d", Owners: []metav1.OwnerReference{ref("it")}}
	free := &gcObject{UID: "f", Owners: []metav1.OwnerReference{{UID: "it"}}}
	circle := &gcObject{UID: "c", Owners: []metav1.OwnerReference{ref("it")}, Deleting: true, Foreground: true}
	for _, c := range []struct {
		name       string
		obj        *gcObject
		owners     []ownerState
		dependents []*gcObject
		want       gcAction
	}{
		{"without owners an object is nobody's garbage", owned(), nil, nil, gcAction{Verb: gcNothing, Reason: "no owners"}},
		{"the owner is there", owned("a"), []ownerState{ownerSolid}, nil,
			gcAction{Verb: gcNothing, Reason: "1 owners: 1 stay, 0 are absent, 0 wait for their dependents, 0 are unknown"}},
		{"the only owner is gone", owned("a"), []ownerState{ownerAbsent}, nil,
			gcAction{Verb: gcDelete, Policy: metav1.DeletePropagationBackground,
				Reason: "1 owners: 0 stay, 1 are absent, 0 wait for their dependents, 0 are unknown"}},
		{"one of two owners is gone", owned("a", "b"), []ownerState{ownerSolid, ownerAbsent}, nil,
			gcAction{Verb: gcDropOwners, Owners: []types.UID{"b"},
				Reason: "2 owners: 1 stay, 1 are absent, 0 wait for their dependents, 0 are unknown"}},
		{"an owner of an unknown kind keeps everything", owned("a", "b"), []ownerState{ownerUnknown, ownerAbsent}, nil,
			gcAction{Verb: gcNothing, Reason: "2 owners: 0 stay, 1 are absent, 0 wait for their dependents, 1 are unknown"}},
		{"the owner waits in the foreground; the object has dependents itself, which go first",
			owned("a"), []ownerState{ownerWaiting}, []*gcObject{free},
			gcAction{Verb: gcDelete, Policy: metav1.DeletePropagationForeground, Reason: "1 owners: 0 stay, 0 are absent, " +
				"1 wait for their dependents, 0 are unknown; it has 1 dependents itself"}},
		{"the owner waits for a dependent that waits for it", owned("c"), []ownerState{ownerWaiting}, []*gcObject{circle},
			gcAction{Verb: gcDelete, Policy: metav1.DeletePropagationForeground, Unblock: true, Reason: "1 owners: 0 stay, " +
				"0 are absent, 1 wait for their dependents, 0 are unknown; it has 1 dependents itself"}},
		{"deleted in the foreground, one dependent blocks", &gcObject{UID: "it", Deleting: true, Foreground: true}, nil,
			[]*gcObject{blocking, free},
			gcAction{Verb: gcNothing, Reason: "finalizer foregroundDeletion is set: 1 of 2 dependents block the deletion"}},
		{"deleted in the foreground, nobody blocks any more", &gcObject{UID: "it", Deleting: true, Foreground: true}, nil,
			[]*gcObject{free},
			gcAction{Verb: gcRelease, Reason: "finalizer foregroundDeletion is set: 0 of 1 dependents block the deletion"}},
		{"deleted, its dependents to be orphaned", &gcObject{UID: "it", Deleting: true, Orphan: true}, nil,
			[]*gcObject{blocking, free},
			gcAction{Verb: gcOrphanDependents, Reason: "finalizer orphan is set: 2 dependents lose their owner"}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, classify(c.obj, c.owners, c.dependents)) })
	}
}

// gcWorld is an API server in miniature, whose events reach the graph late.
type gcWorld struct {
	t       *rapid.T
	graph   *graph
	live    map[types.UID]*gcObject
	events  []func() []types.UID
	queue   []types.UID
	deleted int
}

func (w *gcWorld) put(obj *gcObject) {
	w.live[obj.UID] = obj
	w.events = append(w.events, func() []types.UID { return w.graph.observe(obj) })
}

// delete is what the API server does with a deletion.
func (w *gcWorld) delete(uid types.UID, policy metav1.DeletionPropagation) {
	obj := *w.live[uid]
	obj.Deleting = true
	obj.Foreground = obj.Foreground || policy == metav1.DeletePropagationForeground
	obj.Orphan = obj.Orphan || policy == metav1.DeletePropagationOrphan
	w.settle(&obj)
}

// settle stores the object, or ends it when it is being deleted and nothing holds it.
func (w *gcWorld) settle(obj *gcObject) {
	if !obj.Deleting || obj.Foreground || obj.Orphan {
		w.put(obj)
		return
	}
	delete(w.live, obj.UID)
	w.events = append(w.events, func() []types.UID { return w.graph.remove(obj.UID) })
}

func (w *gcWorld) event() {
	w.queue = append(w.queue, w.events[0]()...)
	w.events = w.events[1:]
}

// work does what garbageCollector.reconcile does.
func (w *gcWorld) work() {
	uid := w.queue[0]
	w.queue = w.queue[1:]
	known, dependents := w.graph.get(uid)
	obj := w.live[uid]
	if known == nil || obj == nil {
		return
	}
	var owners []ownerState
	for _, ref := range obj.Owners {
		owner := w.graph.object(ref.UID)
		switch {
		case owner != nil && refersTo(obj, ref, owner):
			owners = append(owners, stateOf(owner))
		case w.live[ref.UID] != nil:
			owners = append(owners, stateOf(w.live[ref.UID]))
		default:
			owners = append(owners, ownerAbsent)
		}
	}
	action := classify(obj, owners, dependents)
	changed := *obj
	switch action.Verb {
	case gcDelete:
		for _, ref := range obj.Owners {
			if owner := w.live[ref.UID]; owner != nil && !owner.waiting() {
				w.t.Fatalf("%s is deleted, and its owner %s lives: %s", uid, ref.UID, action.Reason)
			}
		}
		if action.Unblock {
			changed.Owners = slices.Clone(obj.Owners)
			for i := range changed.Owners {
				changed.Owners[i].BlockOwnerDeletion = nil
			}
			w.put(&changed)
		}
		w.deleted++
		w.delete(uid, action.Policy)
	case gcDropOwners:
		w.put(w.without(obj, action.Owners...))
	case gcOrphanDependents:
		for _, d := range dependents {
			if live := w.live[d.UID]; live != nil {
				w.put(w.without(live, uid))
			}
		}
		changed.Orphan = false
		w.settle(&changed)
	case gcRelease:
		changed.Foreground = false
		w.settle(&changed)
	}
}

func (w *gcWorld) without(obj *gcObject, owners ...types.UID) *gcObject {
	out := *obj
	out.Owners = slices.DeleteFunc(slices.Clone(obj.Owners), func(ref metav1.OwnerReference) bool {
		return slices.Contains(owners, ref.UID)
	})
	return &out
}

// In any forest of owners, deleted in any way and seen in any delay: nothing with an owner that lives on is ever deleted,
// and in the end nothing is left that waits, or whose owners are all gone.
func TestGarbageCollectionKeepsWhatHasAnOwner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &gcWorld{t: t, graph: newGraph(), live: map[types.UID]*gcObject{}}
		n := rapid.IntRange(1, 15).Draw(t, "objects")
		for i := range n {
			obj := testObject(i)
			for _, owner := range rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, 3, rapid.ID[int]).Draw(t, "owners") {
				if owner < i { // an owner is made before what it owns
					block := rapid.Bool().Draw(t, "block")
					obj.Owners = append(obj.Owners, metav1.OwnerReference{APIVersion: "v1", Kind: "Secret",
						Name: fmt.Sprint("o", owner), UID: testObject(owner).UID, BlockOwnerDeletion: &block})
				}
			}
			w.put(obj)
		}
		policies := []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground,
			metav1.DeletePropagationOrphan}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				uid := testObject(rapid.IntRange(0, n-1).Draw(t, "victim")).UID
				if obj := w.live[uid]; obj != nil && !obj.Deleting {
					w.delete(uid, rapid.SampledFrom(policies).Draw(t, "policy"))
				}
			case 1, 2:
				if len(w.events) > 0 {
					w.event()
				}
			default:
				if len(w.queue) > 0 {
					w.work()
				}
			}
		}
		for rounds := 0; len(w.events)+len(w.queue) > 0; rounds++ {
			if rounds > 10000 {
				t.Fatal("never comes to rest")
			}
			if len(w.events) > 0 {
				w.event()
			} else {
				w.work()
			}
		}
		for uid, obj := range w.live {
			left := 0
			for _, ref := range obj.Owners {
				if w.live[ref.UID] != nil {
					left++
				}
			}
			if obj.Deleting || (len(obj.Owners) > 0 && left == 0) {
				t.Fatalf("%s is left: deleting=%t, owners %d of %d", uid, obj.Deleting, left, len(obj.Owners))
			}
		}
	})
}

func testObject(i int) *gcObject {
	return &gcObject{Resource: schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, APIVersion: "v1", Kind: "Secret",
		Namespace: "shop", Name: fmt.Sprint("o", i), UID: types.UID(fmt.Sprintf("uid-%02d", i))}
}

// workers is how many upstream has by default.
const workers = 20

// startGC runs the garbage collector over Secrets, which no other controller watches.
func startGC(t *testing.T, objects ...*metav1.PartialObjectMetadata) (*metadatafake.FakeMetadataClient, *fake.Clientset) {
	t.Helper()
	scheme := metadatafake.NewTestScheme()
	require.NoError(t, metav1.AddMetaToScheme(scheme))
	meta := metadatafake.NewSimpleMetadataClient(scheme)
	for _, obj := range objects {
		require.NoError(t, meta.Tracker().Add(obj))
	}
	client, _ := controllertest.Start(t, []loop.Row{{Name: "garbage-collector-controller", Workers: workers, New: func(e loop.Env) (loop.Controller, error) {
		e.Client.(*fake.Clientset).Resources = controllertest.ServedSecretsAndPods()
		return newGarbageCollectorFor(e, meta), nil
	}}})
	return meta, client
}

func secretRef(name, uid string) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "v1", Kind: "Secret", Name: name, UID: types.UID(uid)}
}

var secretsResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// The owner of "lost" is gone, the owner of "kept" is there, and "mixed" has one of each.
func TestGarbageCollectorDeletesAndDropsOwners(t *testing.T) {
	meta, _ := startGC(t, controllertest.SecretMeta("owner"), controllertest.SecretMeta("kept", secretRef("owner", "uid-owner")),
		controllertest.SecretMeta("lost", secretRef("gone", "uid-gone")),
		controllertest.SecretMeta("mixed", secretRef("owner", "uid-owner"), secretRef("owner", "uid-earlier-owner")))
	secrets := meta.Resource(secretsResource).Namespace("shop")
	controllertest.Eventually(t, func() bool {
		_, err := secrets.Get(t.Context(), "lost", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, "lost is deleted")
	controllertest.Eventually(t, func() bool {
		mixed, err := secrets.Get(t.Context(), "mixed", metav1.GetOptions{})
		return err == nil && len(mixed.OwnerReferences) == 1 && mixed.OwnerReferences[0].UID == "uid-owner"
	}, "mixed keeps the owner that is there")
	_, err := secrets.Get(t.Context(), "kept", metav1.GetOptions{})
	require.NoError(t, err)
}

// kubectl delete --cascade=orphan sets the finalizer; the dependents are set free, then the owner goes.
func TestGarbageCollectorOrphans(t *testing.T) {
	owner := controllertest.SecretMeta("owner")
	owner.DeletionTimestamp = &metav1.Time{Time: controllertest.Noon}
	owner.Finalizers = []string{"mine", metav1.FinalizerOrphanDependents}
	meta, _ := startGC(t, owner, controllertest.SecretMeta("child", secretRef("owner", "uid-owner")))
	secrets := meta.Resource(secretsResource).Namespace("shop")
	controllertest.Eventually(t, func() bool {
		owner, err := secrets.Get(t.Context(), "owner", metav1.GetOptions{})
		return err == nil && slices.Equal(owner.Finalizers, []string{"mine"})
	}, "the finalizer is removed")
	child, err := secrets.Get(t.Context(), "child", metav1.GetOptions{})
	require.NoError(t, err)
	require.Empty(t, child.OwnerReferences)
}

// An owner in another namespace does not exist for the dependent, and the user is told so.
func TestGarbageCollectorReportsOwnersInOtherNamespaces(t *testing.T) {
	stray := controllertest.SecretMeta("stray", secretRef("owner", "uid-owner"))
	stray.Namespace = "other"
	meta, client := startGC(t, controllertest.SecretMeta("owner"), stray)
	controllertest.Eventually(t, func() bool {
		_, err := meta.Resource(secretsResource).Namespace("other").Get(t.Context(), "stray", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, "stray is deleted")
	var events []corev1.Event
	controllertest.Eventually(t, func() bool {
		list, err := client.CoreV1().Events("other").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		events = list.Items
		return len(events) == 1
	}, "an event is written")
	require.Equal(t, "OwnerRefInvalidNamespace", events[0].Reason)
	require.Equal(t, `ownerRef [v1/Secret, namespace: other, name: owner, uid: uid-owner] does not exist in namespace "other"`,
		events[0].Message)
}

// A cluster-scoped object cannot be owned by a namespaced one; nothing is concluded from the reference.
func TestGarbageCollectorKeepsClusterScopedObjectsOfNamespacedOwners(t *testing.T) {
	volume := &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolume"},
		ObjectMeta: metav1.ObjectMeta{Name: "volume", UID: "uid-volume",
			OwnerReferences: []metav1.OwnerReference{secretRef("gone", "uid-gone")}},
	}
	meta, _ := startGC(t, volume, controllertest.SecretMeta("lost", secretRef("gone", "uid-gone")))
	controllertest.Eventually(t, func() bool {
		_, err := meta.Resource(secretsResource).Namespace("shop").Get(t.Context(), "lost", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, "lost is deleted")
	volumes := schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumes"}
	_, err := meta.Resource(volumes).Get(t.Context(), "volume", metav1.GetOptions{})
	require.NoError(t, err)
}

// Many dependents of one owner do not cost a look for the owner each.
func TestGarbageCollectorAsksOnceForAnAbsentOwner(t *testing.T) {
	const n = 90 // the fake keeps at most 100 events for a watcher
	objects := []*metav1.PartialObjectMetadata{}
	for i := range n {
		objects = append(objects, controllertest.SecretMeta(fmt.Sprint("pod-", i), secretRef("gone", "uid-gone")))
	}
	start := time.Now()
	meta, _ := startGC(t, objects...)
	controllertest.Eventually(t, func() bool {
		list, err := meta.Resource(secretsResource).List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 0
	}, "all are deleted")
	t.Logf("%d dependents deleted in %v", n, time.Since(start))
	asked := 0
	for _, action := range meta.Actions() {
		if get, ok := action.(interface{ GetName() string }); ok && action.GetVerb() == "get" && get.GetName() == "gone" {
			asked++
		}
	}
	require.LessOrEqual(t, asked, workers, "only the workers that started together ask")
}
