package loop

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// The indexes of the shared caches, so that no controller walks through all pods to find the few it needs.
const (
	// ByController finds pods and ReplicaSets by the UID of their controlling owner; those without one under
	// orphansOf(namespace).
	ByController = "controller"
	// ByNode finds pods by spec.nodeName; pods without a node are under "".
	ByNode = "node"
)

func addIndexes(factory informers.SharedInformerFactory) error {
	pods := factory.Core().V1().Pods().Informer()
	if err := pods.AddIndexers(cache.Indexers{ByController: indexByController, ByNode: indexByNode}); err != nil {
		return fmt.Errorf("indexing pods: %w", err)
	}
	replicaSets := factory.Apps().V1().ReplicaSets().Informer()
	if err := replicaSets.AddIndexers(cache.Indexers{ByController: indexByController}); err != nil {
		return fmt.Errorf("indexing ReplicaSets: %w", err)
	}
	return nil
}

func indexByController(event any) ([]string, error) {
	obj, ok := event.(metav1.Object)
	if !ok {
		return nil, fmt.Errorf("indexing by controller: %T has no metadata", event)
	}
	if owner := metav1.GetControllerOfNoCopy(obj); owner != nil {
		return []string{string(owner.UID)}, nil
	}
	return []string{orphansOf(obj.GetNamespace())}, nil
}

// orphansOf is the value of ByController for objects of the namespace that no controller owns. It cannot be a UID.
func orphansOf(namespace string) string { return "orphans/" + namespace }

func indexByNode(event any) ([]string, error) {
	pod, ok := event.(*corev1.Pod)
	if !ok {
		return nil, fmt.Errorf("indexing by node: %T is no pod", event)
	}
	return []string{pod.Spec.NodeName}, nil
}

// OwnedAndOrphans are the objects of T whose controller is uid, and those of the namespace that no controller owns.
func OwnedAndOrphans[T metav1.Object](indexer cache.Indexer, namespace string, uid types.UID) ([]T, error) {
	var out []T
	for _, value := range []string{string(uid), orphansOf(namespace)} {
		found, err := indexer.ByIndex(ByController, value)
		if err != nil {
			return nil, fmt.Errorf("finding the objects of controller %s: %w", value, err)
		}
		for _, obj := range found {
			out = append(out, obj.(T))
		}
	}
	return out, nil
}
