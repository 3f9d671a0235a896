package loop

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// Controller is what one controller adds to the loop.
type Controller struct {
	// Watches say which objects wake which keys.
	Watches []Watch
	// Reconcile brings what a key names nearer to what is wanted. It reads all it needs from the informers' caches and
	// never learns which event woke it, so it is right after any number of missed or repeated events. One key is never
	// worked on twice at once. Besides plain errors it may return RequeueAfter and ErrBehind.
	Reconcile func(ctx context.Context, key string) error
	// Show names what a key is about, for those who hold the controller; nil shows the key itself.
	Show func(key string) string
	// Source, where there is one, wakes keys beside the watches until ctx ends, and returns when its goroutines have. The
	// revision is the cause, empty where there is none. The workers begin when it calls start. An error ends the whole
	// manager.
	Source func(ctx context.Context, wake func(key, revision string), start func()) error
}

// Watch is one informer and the keys that its objects wake.
type Watch struct {
	Informer cache.SharedIndexInformer
	// keys are those that an event wakes. Old is nil except for an update; a deletion gives the object's last known state.
	keys func(obj, old metav1.Object) []string
}

// On is the watch of an informer of one Go type. The function gets the object and, for an update, what it was before;
// old is T's zero value otherwise.
func On[T metav1.Object](informer cache.SharedIndexInformer, keys func(obj, old T) []string) Watch {
	return Watch{Informer: informer, keys: func(obj, old metav1.Object) []string {
		typed, ok := obj.(T)
		if !ok {
			return nil
		}
		before, _ := old.(T)
		return keys(typed, before)
	}}
}

// Self wakes the object's own key.
func Self[T metav1.Object](obj, _ T) []string { return []string{KeyOf(obj)} }

// KeyOf is the key of an object: "namespace/name", or the name alone where there is no namespace.
// cache.SplitMetaNamespaceKey takes it apart.
func KeyOf(obj metav1.Object) string { return cache.MetaObjectToName(obj).String() }

// again is the error that RequeueAfter makes.
type again struct{ after time.Duration }

func (a again) Error() string { return fmt.Sprintf("to be looked at again after %v", a.after) }

// RequeueAfter is returned by a reconcile that succeeded and wants its key back after d, for a deadline that no event
// announces. It is nil where d is not above zero.
func RequeueAfter(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	return again{after: d}
}

// ErrBehind is returned by a reconcile that did nothing because a cache does not show its own earlier writes yet. The
// event that shows them wakes the key again, and the causes of this attempt stay with it. Should no event come, because an
// object was made and gone while the watch was broken, the key is looked at again after behindFor.
var ErrBehind = errors.New("the cache does not show this controller's own writes yet")
