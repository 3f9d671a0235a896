package controllers

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// template is a pod's, of few that there are.
func (h *history) template(labels map[string]string) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "main", Image: pick(h.random, "nginx:1", "nginx:2", "nginx:3"),
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}},
		}}},
	}
	if h.oneIn(6) {
		t.Annotations = map[string]string{"note": pick(h.random, "a", "b")}
	}
	return t
}

func (h *history) createDeployment() {
	labels := h.labels()
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: h.name(), Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(h.Intn(7))), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: h.template(labels),
		},
	}
	for range h.Intn(4) {
		h.mutate(d)
	}
	_, err := h.AppsV1().Deployments(namespace).Create(h.ctx, d, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		must(err)
		h.say("creates Deployment %s", d.Name)
	}
}

// mutate changes one thing about the Deployment.
func (h *history) mutate(d *appsv1.Deployment) {
	switch h.Intn(11) {
	case 0, 1:
		d.Spec.Replicas = new(int32(h.Intn(12)))
	case 2, 3, 4:
		d.Spec.Template = h.template(d.Spec.Template.Labels)
	case 5:
		d.Spec.Paused = !d.Spec.Paused
	case 6:
		d.Spec.Strategy = h.strategy()
	case 7:
		d.Spec.RevisionHistoryLimit = new(int32(h.Intn(3)))
	case 8:
		d.Spec.MinReadySeconds = int32(h.Intn(2) * 15)
		d.Spec.ProgressDeadlineSeconds = new(int32(20 + h.Intn(40)))
	case 9:
		if d.Annotations == nil {
			d.Annotations = map[string]string{}
		}
		d.Annotations[pick(h.random, "kubernetes.io/change-cause", "note", corev1.LastAppliedConfigAnnotation)] = pick(h.random, "a", "b")
	case 10:
		if h.oneIn(2) {
			d.Spec.ProgressDeadlineSeconds = new(int32(1<<31 - 1)) // none
		}
	}
}

func (h *history) strategy() appsv1.DeploymentStrategy {
	if h.oneIn(4) {
		return appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	some := func() *intstr.IntOrString {
		return new(pick(h.random, intstr.FromInt32(0), intstr.FromInt32(1), intstr.FromInt32(3), intstr.FromString("30%"), intstr.FromString("100%")))
	}
	update := &appsv1.RollingUpdateDeployment{MaxSurge: some(), MaxUnavailable: some()}
	if update.MaxSurge.IntVal == 0 && update.MaxSurge.Type == intstr.Int {
		update.MaxUnavailable = new(intstr.FromInt32(1 + int32(h.Intn(2)))) // both may not be zero
	}
	return appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: update}
}

func (h *history) changeDeployment() {
	if all := h.deployments(); len(all) > 0 {
		d := pick(h.random, all...)
		for range 1 + h.Intn(2) {
			h.mutate(&d)
		}
		_, err := h.AppsV1().Deployments(namespace).Update(h.ctx, &d, metav1.UpdateOptions{})
		must(err)
		h.say("changes Deployment %s", d.Name)
	}
}

// deleteDeployment leaves its ReplicaSets to themselves.
func (h *history) deleteDeployment() {
	all := h.deployments()
	if len(all) == 0 || !h.oneIn(2) {
		return
	}
	d := pick(h.random, all...)
	must(h.AppsV1().Deployments(namespace).Delete(h.ctx, d.Name, metav1.DeleteOptions{}))
	for _, rs := range h.replicaSets() {
		if metav1.IsControlledBy(&rs, &d) {
			rs.OwnerReferences = nil
			rs.ResourceVersion = "" // a controller may have written it since
			_, err := h.AppsV1().ReplicaSets(namespace).Update(h.ctx, &rs, metav1.UpdateOptions{})
			must(err)
		}
	}
	h.say("deletes Deployment %s and orphans its ReplicaSets", d.Name)
}

func (h *history) createReplicaSet() {
	labels := h.labels()
	rs := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(h.name(), "-", h.Intn(3)), Labels: labels},
		Spec: appsv1.ReplicaSetSpec{
			Replicas: new(int32(h.Intn(5))), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: h.template(labels),
			MinReadySeconds: int32(h.Intn(2) * 15),
		},
	}
	_, err := h.AppsV1().ReplicaSets(namespace).Create(h.ctx, rs, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		must(err)
		h.say("creates ReplicaSet %s", rs.Name)
	}
}

func (h *history) scaleReplicaSet() {
	if all := h.replicaSets(); len(all) > 0 {
		rs := pick(h.random, all...)
		rs.Spec.Replicas = new(int32(h.Intn(6)))
		_, err := h.AppsV1().ReplicaSets(namespace).Update(h.ctx, &rs, metav1.UpdateOptions{})
		must(err)
		h.say("scales ReplicaSet %s", rs.Name)
	}
}

// relabelReplicaSet may take it from its Deployment, or give it to one.
func (h *history) relabelReplicaSet() {
	if all := h.replicaSets(); len(all) > 0 {
		rs := pick(h.random, all...)
		rs.Labels = h.relabelled(rs.Labels)
		_, err := h.AppsV1().ReplicaSets(namespace).Update(h.ctx, &rs, metav1.UpdateOptions{})
		must(err)
		h.say("labels ReplicaSet %s %v", rs.Name, rs.Labels)
	}
}

func (h *history) relabelled(old map[string]string) map[string]string {
	out := h.labels()
	if hash := old[appsv1.DefaultDeploymentUniqueLabelKey]; hash != "" && !h.oneIn(4) {
		out[appsv1.DefaultDeploymentUniqueLabelKey] = hash
	}
	return out
}

func (h *history) createReplicationController() {
	labels := h.labels()
	template := h.template(labels)
	rc := &corev1.ReplicationController{
		ObjectMeta: metav1.ObjectMeta{Name: h.name()},
		Spec:       corev1.ReplicationControllerSpec{Replicas: new(int32(h.Intn(4))), Selector: labels, Template: &template},
	}
	_, err := h.CoreV1().ReplicationControllers(namespace).Create(h.ctx, rc, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		must(err)
		h.say("creates ReplicationController %s", rc.Name)
	}
}

func (h *history) scaleReplicationController() {
	rc, err := h.CoreV1().ReplicationControllers(namespace).Get(h.ctx, h.name(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return
	}
	must(err)
	rc.Spec.Replicas = new(int32(h.Intn(4)))
	_, err = h.CoreV1().ReplicationControllers(namespace).Update(h.ctx, rc, metav1.UpdateOptions{})
	must(err)
	h.say("scales ReplicationController %s", rc.Name)
}
