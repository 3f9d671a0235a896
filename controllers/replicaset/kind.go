package replicaset

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"minik.dev/controllers/loop"
)

// Kind is what a ReplicaSet and a ReplicationController differ in. Both are reconciled as a ReplicaSet.
type Kind struct {
	GVK schema.GroupVersionKind
	// Get reads the owner from the cache, Live from the API server.
	Get  func(namespace, name string) (*appsv1.ReplicaSet, error)
	Live func(ctx context.Context, namespace, name string) (*appsv1.ReplicaSet, error)
	// List are the namespace's owners, from the cache.
	List func(namespace string) ([]*appsv1.ReplicaSet, error)
	// UpdateStatus writes the status and returns what was stored.
	UpdateStatus func(ctx context.Context, rs *appsv1.ReplicaSet) (metav1.Object, error)
	// About is the object itself, for Events.
	About func(rs *appsv1.ReplicaSet) runtime.Object
	// CountsTerminating is whether the status has a field for pods that are terminating.
	CountsTerminating bool
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	informer := e.Informers.Apps().V1().ReplicaSets()
	lister, client := informer.Lister(), e.Client.AppsV1()
	kind := Kind{
		GVK: appsv1.SchemeGroupVersion.WithKind("ReplicaSet"),
		Get: func(namespace, name string) (*appsv1.ReplicaSet, error) {
			return lister.ReplicaSets(namespace).Get(name)
		},
		Live: func(ctx context.Context, namespace, name string) (*appsv1.ReplicaSet, error) {
			return client.ReplicaSets(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		List: func(namespace string) ([]*appsv1.ReplicaSet, error) {
			return lister.ReplicaSets(namespace).List(labels.Everything())
		},
		UpdateStatus: func(ctx context.Context, rs *appsv1.ReplicaSet) (metav1.Object, error) {
			return client.ReplicaSets(rs.Namespace).UpdateStatus(ctx, rs, metav1.UpdateOptions{})
		},
		About: func(rs *appsv1.ReplicaSet) runtime.Object { return rs },

		CountsTerminating: true,
	}
	return NewFor(e, kind, loop.On(informer.Informer(), loop.Self[*appsv1.ReplicaSet])), nil
}
