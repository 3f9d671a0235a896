package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// history is what happens to a cluster, at random: what its users ask for, what its kubelets report, and time that passes.
type history struct {
	random
	*server
	ctx context.Context
	// did is the last step in words.
	did []string
}

// steps is how long a history is.
const steps = 50

// run tells the history of the seed to the controllers of the side. What it chooses depends on the state that they bring about: two
// histories of one seed are alike for as long as the states are.
func run(seed int64, with side) []state {
	h := &history{random: newRandom(seed), server: newServer(), ctx: context.Background()}
	for i := range nodes {
		h.createNode(i)
	}
	stop := with(h.server)
	defer stop()
	h.settle()
	var states []state
	for step := range steps {
		h.did = nil
		h.step()
		h.settle()
		h.touchBudgets(step)
		states = append(states, h.state())
		if h.oneIn(6) {
			time.Sleep(time.Duration(h.Intn(90)) * time.Second)
			synctest.Wait()
		}
	}
	return states
}

// settle is until nobody has anything left to do, not even again: what fails is tried again within the second. So all that follows from
// one thing happens in the same second, and times can be compared.
func (h *history) settle() {
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(2 * time.Second)))
	synctest.Wait()
}

func (h *history) say(format string, args ...any) {
	h.did = append(h.did, fmt.Sprintf(format, args...))
}

// step is one thing that somebody does.
func (h *history) step() {
	users := []func(){
		h.createDeployment, h.changeDeployment, h.changeDeployment, h.changeDeployment, h.changeDeployment, h.deleteDeployment,
		h.createReplicaSet, h.scaleReplicaSet, h.relabelReplicaSet, h.createReplicationController, h.scaleReplicationController,
		h.createService, h.changeService, h.deleteService, h.createBudget, h.changeBudget, h.createPod, h.relabelPod, h.deletePod,
	}
	if h.oneIn(2) {
		users[h.Intn(len(users))]()
		return
	}
	h.kubelets()
}

// names are few, so that things meet.
func (h *history) name() string { return pick(h.random, "web", "web", "db") }

func (h *history) labels() map[string]string {
	l := map[string]string{"app": h.name()}
	if h.oneIn(3) {
		l["tier"] = pick(h.random, "front", "back")
	}
	return l
}

func (h *history) deployments() []appsv1.Deployment {
	list, err := h.AppsV1().Deployments(namespace).List(h.ctx, metav1.ListOptions{})
	must(err)
	return sorted(list.Items)
}

func (h *history) replicaSets() []appsv1.ReplicaSet {
	list, err := h.AppsV1().ReplicaSets(namespace).List(h.ctx, metav1.ListOptions{})
	must(err)
	return sorted(list.Items)
}

func (h *history) pods() []corev1.Pod {
	list, err := h.CoreV1().Pods(namespace).List(h.ctx, metav1.ListOptions{})
	must(err)
	return sorted(list.Items)
}

// sorted are the objects by name.
func sorted[T any](items []T) []T {
	name := func(t T) string { return any(&t).(metav1.Object).GetName() }
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(name(a), name(b)) })
	return items
}

const namespace = "default"
