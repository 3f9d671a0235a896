package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"minik.dev/controllers"
	"minik.dev/controllers/loop"
)

// State is what an object has come to.
type State = loop.RolloutState

// The states of what is waited for.
const (
	Waiting   = loop.Waiting
	Available = loop.Available
	Failed    = loop.Failed
)

// Workload is how far one applied object is, and why it is no further.
type Workload struct {
	Name string // "deployment/frontend", with "namespace/" before it outside of the default namespace
	controllers.RolloutStatus
}

// observed is an object that was applied, as it is now.
type observed struct {
	kind   string
	object metav1.Object
	status controllers.RolloutStatus
}

// workloads says of each object how far it is, in the order of their names. pods are all those of the cluster.
func workloads(seen []observed, pods []*corev1.Pod) []Workload {
	var out []Workload
	for _, o := range seen {
		if o.status.State == loop.NotAwaited {
			continue
		}
		w := Workload{Name: named(o.kind, o.object), RolloutStatus: o.status}
		switch why := podsWhy(w.Pods, o.object.GetNamespace(), pods); {
		case why == "":
		case w.State == Failed:
			w.Why += "; " + why
		default:
			w.Why = why
		}
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b Workload) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// named is how a workload is called on the command line.
func named(kind string, obj metav1.Object) string {
	name := strings.ToLower(kind) + "/" + obj.GetName()
	if obj.GetNamespace() != metav1.NamespaceDefault {
		name = obj.GetNamespace() + "/" + name
	}
	return name
}

// podsWhy is what holds back the selected pods: the most frequent reason, with one pod as its example.
func podsWhy(selector *metav1.LabelSelector, namespace string, pods []*corev1.Pod) string {
	match, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return ""
	}
	counts, example := map[string]int{}, map[string]string{}
	for _, pod := range pods {
		if pod.Namespace != namespace || !match.Matches(labels.Set(pod.Labels)) {
			continue
		}
		if status := PodStatus(pod); status.State != Available {
			counts[status.Why]++
			if example[status.Why] == "" || pod.Name < example[status.Why] {
				example[status.Why] = pod.Name
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

// settled reports whether waiting longer changes nothing: every workload is available or has failed.
func settled(workloads []Workload) bool {
	return !slices.ContainsFunc(workloads, func(w Workload) bool { return w.State == Waiting })
}

// Verdict is the line below the rollout.
func Verdict(workloads []Workload, took time.Duration) string {
	var bad []string
	for _, w := range workloads {
		if w.State == Failed {
			bad = append(bad, w.Name)
		}
	}
	if len(bad) > 0 {
		return fmt.Sprintf("not available: %s; `minik describe` and `minik get events` say more", strings.Join(bad, ", "))
	}
	if len(workloads) == 0 {
		return "nothing to wait for: no workload, Pod or LoadBalancer among them"
	}
	return fmt.Sprintf("all %d available after %s", len(workloads), took.Round(10*time.Millisecond))
}
