package garbagecollector

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/controllers/deletable"
)

// gcObject is all that garbage collection needs to know of an object.
type gcObject struct {
	Resource   schema.GroupVersionResource
	APIVersion string
	Kind       string
	Namespace  string
	Name       string
	UID        types.UID
	Owners     []metav1.OwnerReference
	// Deleting objects have a deletionTimestamp; Foreground and Orphan say which of the two finalizers they carry.
	Deleting   bool
	Foreground bool
	Orphan     bool
}

// waiting: the object stays until its dependents are gone.
func (o *gcObject) waiting() bool { return o.Deleting && o.Foreground }

func (o *gcObject) String() string {
	return fmt.Sprintf("[%s/%s, namespace: %s, name: %s, uid: %s]", o.APIVersion, o.Kind, o.Namespace, o.Name, o.UID)
}

func newGCObject(kind deletable.Kind, obj metav1.Object) *gcObject {
	return &gcObject{
		Resource: kind.Resource, APIVersion: kind.Resource.GroupVersion().String(), Kind: kind.Kind,
		Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID(), Owners: obj.GetOwnerReferences(),
		Deleting:   obj.GetDeletionTimestamp() != nil,
		Foreground: slices.Contains(obj.GetFinalizers(), metav1.FinalizerDeleteDependents),
		Orphan:     slices.Contains(obj.GetFinalizers(), metav1.FinalizerOrphanDependents),
	}
}

// graph is the objects of the cluster and who owns whom, by UID. Each change costs as much as the object has owners and
// dependents, whatever the number of objects. It is safe for concurrent use; the objects in it are never changed.
type graph struct {
	mu      sync.Mutex
	objects map[types.UID]*gcObject
	// dependents of an owner, whether or not the owner itself has been seen.
	dependents map[types.UID]map[types.UID]*gcObject
}

func newGraph() *graph {
	return &graph{objects: map[types.UID]*gcObject{}, dependents: map[types.UID]map[types.UID]*gcObject{}}
}

// observe puts the newest state of an object into the graph and returns the objects that should be looked at because of it.
func (g *graph) observe(obj *gcObject) []types.UID {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.objects[obj.UID]
	g.unlink(old)
	g.objects[obj.UID] = obj
	for _, owner := range obj.Owners {
		if g.dependents[owner.UID] == nil {
			g.dependents[owner.UID] = map[types.UID]*gcObject{}
		}
		g.dependents[owner.UID][obj.UID] = obj
	}
	var wake []types.UID
	if obj.Deleting && (obj.Foreground || obj.Orphan) || !g.ownersStay(obj) {
		wake = append(wake, obj.UID)
	}
	if obj.waiting() && (old == nil || !old.waiting()) {
		wake = append(wake, g.dependentsOf(obj.UID)...)
	}
	if old != nil {
		wake = append(wake, g.waitingOwners(old)...)
	}
	return wake
}

// remove takes an object that is gone out of the graph and returns the objects that should be looked at because of it.
func (g *graph) remove(uid types.UID) []types.UID {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.objects[uid]
	wake := g.dependentsOf(uid)
	if old != nil {
		wake = append(wake, g.waitingOwners(old)...)
	}
	g.unlink(old)
	delete(g.objects, uid)
	return wake
}

func (g *graph) unlink(obj *gcObject) {
	if obj == nil {
		return
	}
	for _, owner := range obj.Owners {
		delete(g.dependents[owner.UID], obj.UID)
		if len(g.dependents[owner.UID]) == 0 {
			delete(g.dependents, owner.UID)
		}
	}
}

// ownersStay reports whether every owner is in the graph, where the reference says, and not waiting for its dependents.
func (g *graph) ownersStay(obj *gcObject) bool {
	for _, ref := range obj.Owners {
		if owner := g.objects[ref.UID]; owner == nil || owner.waiting() || !refersTo(obj, ref, owner) {
			return false
		}
	}
	return true
}

// refersTo reports whether the reference names the owner by all its coordinates, in obj's namespace or outside of all.
func refersTo(obj *gcObject, ref metav1.OwnerReference, owner *gcObject) bool {
	group, err := schema.ParseGroupVersion(ref.APIVersion)
	return err == nil && group.Group == owner.Resource.Group && ref.Kind == owner.Kind && ref.Name == owner.Name &&
		(owner.Namespace == "" || owner.Namespace == obj.Namespace)
}

func (g *graph) dependentsOf(uid types.UID) []types.UID {
	return slices.Collect(maps.Keys(g.dependents[uid]))
}

// waitingOwners are the owners that may have waited for this object only.
func (g *graph) waitingOwners(obj *gcObject) []types.UID {
	var out []types.UID
	for _, ref := range obj.Owners {
		if owner := g.objects[ref.UID]; owner != nil && owner.waiting() {
			out = append(out, owner.UID)
		}
	}
	return out
}

// get returns an object and its dependents, in the order of their UIDs.
func (g *graph) get(uid types.UID) (obj *gcObject, dependents []*gcObject) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(g.dependents[uid])) {
		dependents = append(dependents, g.dependents[uid][key])
	}
	return g.objects[uid], dependents
}

// object returns an object without its dependents, of which an owner may have thousands; nil where it is not known.
func (g *graph) object(uid types.UID) *gcObject {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.objects[uid]
}

// ofResource are the UIDs of all objects of a resource.
func (g *graph) ofResource(resource schema.GroupVersionResource) []types.UID {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []types.UID
	for uid, obj := range g.objects {
		if obj.Resource == resource {
			out = append(out, uid)
		}
	}
	return out
}
