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
	// Kept says that what it waits for does not come by waiting, as far as can be told: an image that is missing, room on a node.
	Kept bool
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
		why, kept := podsWhy(w.Pods, o.object.GetNamespace(), pods)
		if pod, ok := o.object.(*corev1.Pod); ok {
			kept = Kept(pod) != ""
		}
		w.Kept = kept
		switch {
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

// podsWhy is what holds back the selected pods: the most frequent reason, with one pod as its example, and whether it keeps that one.
func podsWhy(selector *metav1.LabelSelector, namespace string, pods []*corev1.Pod) (text string, kept bool) {
	match, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return "", false
	}
	counts, example := map[string]int{}, map[string]*corev1.Pod{}
	for _, pod := range pods {
		if pod.Namespace != namespace || !match.Matches(labels.Set(pod.Labels)) {
			continue
		}
		if status := PodStatus(pod); status.State != Available {
			counts[status.Why]++
			if e := example[status.Why]; e == nil || pod.Name < e.Name {
				example[status.Why] = pod
			}
		}
	}
	var whys []string
	for why := range counts {
		whys = append(whys, why)
	}
	if len(whys) == 0 {
		return "", false
	}
	slices.SortFunc(whys, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	why, pod := whys[0], example[whys[0]]
	if counts[why] == 1 {
		return fmt.Sprintf("%s (pod %s)", why, pod.Name), Kept(pod) != ""
	}
	return fmt.Sprintf("%s (%d pods, for example %s)", why, counts[why], pod.Name), Kept(pod) != ""
}

// keptPatience is how long what keeps a workload may go on without progress before the terminal is handed over.
const keptPatience = 30 * time.Second

// patience is how long to wait without progress for these workloads: not long where all that are waited for are kept, and at most most;
// 0 is for ever.
func patience(workloads []Workload, most time.Duration) time.Duration {
	for _, w := range workloads {
		if w.State == Waiting && !w.Kept {
			return most
		}
	}
	return min(most, keptPatience)
}

// progress is what tells that a rollout goes on.
func progress(workloads []Workload) string {
	var out strings.Builder
	for _, w := range workloads {
		fmt.Fprintf(&out, "%s %d %d %d\n", w.Name, w.State, w.Ready, w.Want)
	}
	return out.String()
}

// settled reports whether waiting longer changes nothing: every workload is available or has failed.
func settled(workloads []Workload) bool {
	return !slices.ContainsFunc(workloads, func(w Workload) bool { return w.State == Waiting })
}

// Verdict is the line below the rollout.
func Verdict(workloads []Workload, took time.Duration) string {
	var bad, waiting []string
	for _, w := range workloads {
		switch w.State {
		case Failed:
			bad = append(bad, w.Name)
		case Waiting:
			waiting = append(waiting, w.Name)
		}
	}
	if len(waiting) > 0 {
		bad = append(bad, waiting...)
		return fmt.Sprintf("not available yet: %s; the cluster goes on: `minik describe`, `minik get events` and `minik why` say more",
			strings.Join(bad, ", "))
	}
	if len(bad) > 0 {
		return fmt.Sprintf("not available: %s; `minik describe` and `minik get events` say more", strings.Join(bad, ", "))
	}
	if len(workloads) == 0 {
		return "nothing to wait for: no workload, Pod or LoadBalancer among them"
	}
	return fmt.Sprintf("all %d available after %s", len(workloads), took.Round(10*time.Millisecond))
}
