package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// observed is what rollout looks at: the workloads that were applied, as they are now, and the pods of their namespaces.
type observed struct {
	Deployments []*appsv1.Deployment
	ReplicaSets []*appsv1.ReplicaSet
	Controllers []*corev1.ReplicationController
	// Pods holds every pod of the workloads' namespaces, Applied the names of those that were applied by themselves.
	Pods    []*corev1.Pod
	Applied map[objectKey]bool
	// Services that were applied: one of type LoadBalancer is waited for until it has an address.
	Services []*corev1.Service
}

type objectKey struct{ Namespace, Name string }

// state is how far one workload is.
type state int

const (
	waiting state = iota
	available
	failed // and will not become available by itself
)

// workload is how far one applied object is, and why it is no further.
type workload struct {
	Name        string // "deployment/frontend", with "namespace/" before it outside of the default namespace
	Ready, Want int32
	State       state
	Why         string // a sentence; empty once available
}

// rollout says of each workload how far it is, in the order of their names.
func rollout(seen observed) []workload {
	var out []workload
	for _, d := range seen.Deployments {
		out = append(out, deploymentRollout(d, seen.Pods))
	}
	for _, rs := range seen.ReplicaSets {
		out = append(out, replicas("replicaset", rs, wanted(rs.Spec.Replicas), rs.Status.AvailableReplicas,
			rs.Status.ObservedGeneration, selects(rs.Spec.Selector), seen.Pods))
	}
	for _, rc := range seen.Controllers {
		out = append(out, replicas("replicationcontroller", rc, wanted(rc.Spec.Replicas), rc.Status.AvailableReplicas,
			rc.Status.ObservedGeneration, &metav1.LabelSelector{MatchLabels: rc.Spec.Selector}, seen.Pods))
	}
	for _, pod := range seen.Pods {
		if seen.Applied[objectKey{pod.Namespace, pod.Name}] {
			out = append(out, podRollout(pod))
		}
	}
	for _, service := range seen.Services {
		if service.Spec.Type == corev1.ServiceTypeLoadBalancer {
			out = append(out, serviceRollout(service))
		}
	}
	slices.SortFunc(out, func(a, b workload) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// deploymentRollout follows the conditions that `kubectl rollout status` documents: the controller has seen the newest
// spec, every replica is of the new template, none of the old ones is left, and all are available.
func deploymentRollout(d *appsv1.Deployment, pods []*corev1.Pod) workload {
	w := replicas("deployment", d, wanted(d.Spec.Replicas), min(d.Status.AvailableReplicas, d.Status.UpdatedReplicas),
		d.Status.ObservedGeneration, selects(d.Spec.Selector), pods)
	if d.Status.ObservedGeneration < d.Generation {
		return w
	}
	for _, condition := range d.Status.Conditions {
		if condition.Type == appsv1.DeploymentProgressing && condition.Reason == "ProgressDeadlineExceeded" {
			w.State, w.Why = failed, condition.Message
			if why := podsWhy(selects(d.Spec.Selector), d.Namespace, pods); why != "" {
				w.Why += "; " + why
			}
			return w
		}
	}
	switch old, more := d.Status.Replicas-d.Status.UpdatedReplicas, d.Status.UpdatedReplicas-w.Want; {
	case w.State != available:
	case old > 0:
		w.State, w.Why = waiting, fmt.Sprintf("%d of the old replicas still end", old)
	case more > 0:
		w.State, w.Why = waiting, fmt.Sprintf("%d replicas more than wanted still end", more)
	}
	if d.Spec.Paused && w.State == waiting {
		w.State, w.Why = failed, "paused: resume it with `minik rollout resume "+w.Name+"`"
	}
	return w
}

// replicas is the progress that every workload of several pods has in common.
func replicas(kind string, owner metav1.Object, want, ready int32, observed int64, selector *metav1.LabelSelector,
	pods []*corev1.Pod) workload {
	w := workload{Name: named(kind, owner), Ready: min(ready, want), Want: want, State: available}
	switch {
	case observed < owner.GetGeneration():
		w.State, w.Why = waiting, "its controller has not seen it yet"
	case ready < want:
		w.State, w.Why = waiting, podsWhy(selector, owner.GetNamespace(), pods)
		if w.Why == "" {
			w.Why = fmt.Sprintf("%d of %d replicas are available", ready, want)
		}
	}
	return w
}

// serviceRollout waits for the address of a load balancer.
func serviceRollout(service *corev1.Service) workload {
	w := workload{Name: named("service", service), Ready: 1, Want: 1, State: available}
	if len(service.Status.LoadBalancer.Ingress) == 0 {
		w.Ready, w.State, w.Why = 0, waiting, "its load balancer has no address yet"
	}
	return w
}

// named is how a workload is called on the command line.
func named(kind string, obj metav1.Object) string {
	name := kind + "/" + obj.GetName()
	if obj.GetNamespace() != metav1.NamespaceDefault {
		name = obj.GetNamespace() + "/" + name
	}
	return name
}

func wanted(replicas *int32) int32 {
	if replicas == nil {
		return 1 // the default that upstream documents
	}
	return *replicas
}

func selects(selector *metav1.LabelSelector) *metav1.LabelSelector {
	if selector == nil {
		return &metav1.LabelSelector{}
	}
	return selector
}

// podsWhy is what holds back the selected pods: the most frequent reason, with one pod as its example.
func podsWhy(selector *metav1.LabelSelector, namespace string, pods []*corev1.Pod) string {
	match, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return ""
	}
	counts, example := map[string]int{}, map[string]string{}
	for _, pod := range pods {
		if pod.Namespace != namespace || !match.Matches(labelsOf(pod)) {
			continue
		}
		if w := podRollout(pod); w.State != available {
			counts[w.Why]++
			if example[w.Why] == "" || pod.Name < example[w.Why] {
				example[w.Why] = pod.Name
			}
		}
	}
	var whys []string
	for why := range counts {
		whys = append(whys, why)
	}
	if len(whys) == 0 {
		return ""
	}
	slices.SortFunc(whys, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	why := whys[0]
	if counts[why] == 1 {
		return fmt.Sprintf("pod %s: %s", example[why], why)
	}
	return fmt.Sprintf("%d pods, for example %s: %s", counts[why], example[why], why)
}
