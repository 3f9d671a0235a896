package controllers

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func (h *history) createService() {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: h.name()},
		Spec: corev1.ServiceSpec{
			ClusterIP: "10.96.0.1", ClusterIPs: []string{"10.96.0.1"}, IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol},
			Selector: h.labels(), Ports: h.ports(),
		},
	}
	if h.oneIn(3) {
		s.Spec.ClusterIP, s.Spec.ClusterIPs = corev1.ClusterIPNone, []string{corev1.ClusterIPNone}
	}
	if h.oneIn(3) {
		s.Spec.IPFamilies = append(s.Spec.IPFamilies, corev1.IPv6Protocol)
	}
	_, err := h.CoreV1().Services(namespace).Create(h.ctx, s, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		must(err)
		h.say("creates Service %s", s.Name)
	}
}

func (h *history) ports() []corev1.ServicePort {
	ports := []corev1.ServicePort{{Name: "a", Port: 80, TargetPort: pick(h.random, intstr.FromInt32(80), intstr.FromString("http"), intstr.FromString("absent"))}}
	if h.oneIn(3) {
		ports = append(ports, corev1.ServicePort{Name: "b", Port: 81, TargetPort: intstr.FromInt32(8081), Protocol: corev1.ProtocolUDP})
	}
	if h.oneIn(4) {
		ports[0].AppProtocol = new("kubernetes.io/h2c")
	}
	return ports
}

func (h *history) changeService() {
	s, err := h.CoreV1().Services(namespace).Get(h.ctx, h.name(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return
	}
	must(err)
	switch h.Intn(6) {
	case 0:
		s.Spec.Selector = h.labels()
	case 1:
		s.Spec.Ports = h.ports()
	case 2:
		s.Spec.PublishNotReadyAddresses = !s.Spec.PublishNotReadyAddresses
	case 3:
		s.Labels = map[string]string{"note": pick(h.random, "a", "b")}
	case 4:
		s.Spec.Selector = nil
	case 5:
		s.Annotations = map[string]string{"note": pick(h.random, "a", "b")}
	}
	_, err = h.CoreV1().Services(namespace).Update(h.ctx, s, metav1.UpdateOptions{})
	must(err)
	h.say("changes Service %s", s.Name)
}

// deleteService has what belongs to it go, too, as the garbage collector would.
func (h *history) deleteService() {
	name := h.name()
	err := h.CoreV1().Services(namespace).Delete(h.ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return
	}
	must(err)
	list, err := h.DiscoveryV1().EndpointSlices(namespace).List(h.ctx, metav1.ListOptions{})
	must(err)
	for _, slice := range list.Items {
		if owner := metav1.GetControllerOf(&slice); owner != nil && owner.Name == name {
			must(h.DiscoveryV1().EndpointSlices(namespace).Delete(h.ctx, slice.Name, metav1.DeleteOptions{}))
		}
	}
	h.say("deletes Service %s", name)
}

func (h *history) createBudget() {
	b := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: h.name()}, Spec: h.budget()}
	_, err := h.PolicyV1().PodDisruptionBudgets(namespace).Create(h.ctx, b, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		must(err)
		h.say("creates PodDisruptionBudget %s", b.Name)
	}
}

func (h *history) budget() policyv1.PodDisruptionBudgetSpec {
	spec := policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: h.labels()}}
	amount := new(pick(h.random, intstr.FromInt32(0), intstr.FromInt32(1), intstr.FromInt32(3), intstr.FromString("30%"), intstr.FromString("100%")))
	if h.oneIn(2) {
		spec.MinAvailable = amount
	} else {
		spec.MaxUnavailable = amount
	}
	return spec
}

func (h *history) changeBudget() {
	b, err := h.PolicyV1().PodDisruptionBudgets(namespace).Get(h.ctx, h.name(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return
	}
	must(err)
	b.Spec = h.budget()
	_, err = h.PolicyV1().PodDisruptionBudgets(namespace).Update(h.ctx, b, metav1.UpdateOptions{})
	must(err)
	h.say("changes PodDisruptionBudget %s", b.Name)
}

// touchBudgets has the budgets counted again. Both sides count them when a pod changes, by what the caches say of its controllers at
// that moment, and those may be behind.
func (h *history) touchBudgets(step int) {
	list, err := h.PolicyV1().PodDisruptionBudgets(namespace).List(h.ctx, metav1.ListOptions{})
	must(err)
	for _, b := range list.Items {
		b.Annotations = map[string]string{"step": fmt.Sprint(step)}
		_, err := h.PolicyV1().PodDisruptionBudgets(namespace).Update(h.ctx, &b, metav1.UpdateOptions{})
		must(err)
	}
	h.settle()
}
