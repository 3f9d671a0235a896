package controllers

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const nodes = 4

func (h *history) createNode(i int) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprint("node-", i), Labels: map[string]string{corev1.LabelTopologyZone: fmt.Sprint("zone-", i%3)},
	}}
	_, err := h.CoreV1().Nodes().Create(h.ctx, node, metav1.CreateOptions{})
	must(err)
}

// createPod makes one that nobody controls, yet.
func (h *history) createPod() {
	template := h.template(h.labels())
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.GenerateName = "loose-"
	made, err := h.CoreV1().Pods(namespace).Create(h.ctx, pod, metav1.CreateOptions{})
	must(err)
	h.say("creates pod %s", made.Name)
}

func (h *history) relabelPod() {
	if all := h.pods(); len(all) > 0 {
		pod := pick(h.random, all...)
		pod.Labels = h.relabelled(pod.Labels)
		_, err := h.CoreV1().Pods(namespace).Update(h.ctx, &pod, metav1.UpdateOptions{})
		must(err)
		h.say("labels pod %s %v", pod.Name, pod.Labels)
	}
}

func (h *history) deletePod() {
	if all := h.pods(); len(all) > 0 {
		pod := pick(h.random, all...)
		must(h.CoreV1().Pods(namespace).Delete(h.ctx, pod.Name, metav1.DeleteOptions{}))
		h.say("deletes pod %s", pod.Name)
	}
}

// kubelets have some of the pods make progress, or none.
func (h *history) kubelets() {
	often := 1 + h.Intn(3)
	for _, before := range h.pods() {
		if !h.oneIn(often) {
			continue
		}
		h.settle()
		pod, err := h.CoreV1().Pods(namespace).Get(h.ctx, before.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		must(err)
		switch {
		case pod.DeletionTimestamp != nil:
			must(h.CoreV1().Pods(namespace).Delete(h.ctx, pod.Name, *metav1.NewDeleteOptions(0)))
		case pod.Spec.NodeName == "":
			pod.Spec.NodeName = fmt.Sprint("node-", h.Intn(nodes))
			_, err := h.CoreV1().Pods(namespace).Update(h.ctx, pod, metav1.UpdateOptions{})
			must(err)
		case ended(pod):
		default:
			h.report(pod)
			_, err := h.CoreV1().Pods(namespace).UpdateStatus(h.ctx, pod, metav1.UpdateOptions{})
			must(err)
		}
	}
	h.say("has one in %d pods make progress", often)
}

// report is what the pod's kubelet says of it next.
func (h *history) report(pod *corev1.Pod) {
	status := &pod.Status
	if status.Phase == corev1.PodPending {
		if status.StartTime == nil {
			now := metav1.Now().Rfc3339Copy()
			status.StartTime = &now
		}
		h.addresses(status)
	}
	switch {
	case h.oneIn(20) && len(status.Conditions) > 0 && status.Conditions[0].Status == corev1.ConditionTrue:
		// Only one that is ready: upstream's Services do not hear of the end of others until something else happens.
		status.Phase = pick(h.random, corev1.PodFailed, corev1.PodSucceeded)
	case !h.oneIn(6):
		status.Phase = corev1.PodRunning
	}
	ready := corev1.ConditionFalse
	if status.Phase == corev1.PodRunning && !h.oneIn(5) {
		ready = corev1.ConditionTrue
	}
	condition := corev1.PodCondition{Type: corev1.PodReady, Status: ready, LastTransitionTime: metav1.Now().Rfc3339Copy()}
	if old := status.Conditions; len(old) == 1 && old[0].Status == ready {
		condition = old[0]
	}
	status.Conditions = []corev1.PodCondition{condition}
	restarts := int32(0)
	if old := status.ContainerStatuses; len(old) == 1 {
		restarts = old[0].RestartCount
	}
	if h.oneIn(6) {
		restarts++
	}
	status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", RestartCount: restarts, Ready: ready == corev1.ConditionTrue}}
}

// addresses gives the pod its own.
func (h *history) addresses(status *corev1.PodStatus) {
	if status.PodIP != "" {
		return
	}
	n := h.next("addresses")
	status.PodIP = fmt.Sprintf("10.0.%d.%d", n/250, 1+n%250)
	status.PodIPs = []corev1.PodIP{{IP: status.PodIP}, {IP: fmt.Sprintf("fd00::%x", n)}}
}
