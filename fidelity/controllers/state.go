package controllers

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// state is what is stored when everybody has come to rest.
type state struct {
	did     []string
	objects map[string]any // by kind and name
}

func (h *history) state() state {
	s := state{did: h.did, objects: map[string]any{}}
	for _, l := range []struct {
		kind string
		list func() (runtime.Object, error)
	}{
		{"Deployment", func() (runtime.Object, error) {
			return h.AppsV1().Deployments(namespace).List(h.ctx, metav1.ListOptions{})
		}},
		{"ReplicaSet", func() (runtime.Object, error) {
			return h.AppsV1().ReplicaSets(namespace).List(h.ctx, metav1.ListOptions{})
		}},
		{"ReplicationController", func() (runtime.Object, error) {
			return h.CoreV1().ReplicationControllers(namespace).List(h.ctx, metav1.ListOptions{})
		}},
		{"Pod", func() (runtime.Object, error) { return h.CoreV1().Pods(namespace).List(h.ctx, metav1.ListOptions{}) }},
		{"Endpoints", func() (runtime.Object, error) {
			return h.CoreV1().Endpoints(namespace).List(h.ctx, metav1.ListOptions{})
		}},
		{"EndpointSlice", func() (runtime.Object, error) {
			return h.DiscoveryV1().EndpointSlices(namespace).List(h.ctx, metav1.ListOptions{})
		}},
		{"PodDisruptionBudget", func() (runtime.Object, error) {
			return h.PolicyV1().PodDisruptionBudgets(namespace).List(h.ctx, metav1.ListOptions{})
		}},
	} {
		list, err := l.list()
		must(err)
		must(meta.EachListItem(list, func(obj runtime.Object) error {
			s.add(l.kind, tree(obj))
			return nil
		}))
	}
	return s
}

// add leaves out what says how often an object was written, but not whether its controller has seen the last. EndpointSlices have names in no order, and their endpoints are in none.
func (s *state) add(kind string, obj map[string]any) {
	metadata := obj["metadata"].(map[string]any)
	name := metadata["name"].(string)
	delete(metadata, "resourceVersion")
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		delete(annotations, corev1.EndpointsLastChangeTriggerTime)
		if len(annotations) == 0 {
			delete(metadata, "annotations")
		}
	}
	if status, ok := obj["status"].(map[string]any); ok && status["observedGeneration"] != nil {
		status["observedGeneration"] = status["observedGeneration"].(float64) - metadata["generation"].(float64)
	}
	delete(metadata, "generation")
	if kind == "EndpointSlice" {
		delete(metadata, "name")
		delete(metadata, "uid")
		labels := metadata["labels"].(map[string]any)
		name = strings.Join([]string{text(labels["kubernetes.io/service-name"]), text(obj["addressType"]), text(obj["ports"])}, " ")
		sortByText(obj["endpoints"])
	}
	if subsets, ok := obj["subsets"].([]any); ok {
		for _, subset := range subsets {
			sortByText(subset.(map[string]any)["ports"])
		}
	}
	s.objects[kind+" "+name] = obj
}

func sortByText(list any) {
	if list, ok := list.([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(text(a), text(b)) })
	}
}
