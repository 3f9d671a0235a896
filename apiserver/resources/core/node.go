package core

import (
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/defaults"
	"minik.dev/apiserver/resources/printers"
)

func nodes() *resources.Resource {
	return &resources.Resource{
		Kind:           corev1.SchemeGroupVersion.WithKind("Node"),
		Plural:         "nodes",
		ShortNames:     []string{"no"},
		ClusterScoped:  true,
		New:            func() resources.Object { return &corev1.Node{} },
		NewList:        func() runtime.Object { return &corev1.NodeList{} },
		StatusOnCreate: true,
		Subresources: []resources.Subresource{
			resources.Proxied("NodeProxyOptions"),
			resources.Status(applyNodeStatus, validateNodeUpdate),
		},
		Default:  resources.Each(defaultNode),
		Prepare:  resources.Pair(prepareNode),
		Validate: resources.Check(validateNode),
		Warn:     resources.Warn(func(n, _ *corev1.Node) []string { return warnNode(n) }),
		Fields: resources.Of(func(n *corev1.Node) fields.Set {
			return fields.Set{"spec.unschedulable": strconv.FormatBool(n.Spec.Unschedulable)}
		}),
		Columns: nodeColumns(),
		Cells:   resources.Cells(nodeCells),
	}
}

// defaultNode makes all of a node allocatable where its kubelet keeps nothing back, and the two fields of pod addresses
// agree.
func defaultNode(n *corev1.Node) {
	if n.Status.Allocatable == nil && n.Status.Capacity != nil {
		n.Status.Allocatable = n.Status.Capacity.DeepCopy()
	}
	defaults.RoundUp(n.Status.Capacity)
	defaults.RoundUp(n.Status.Allocatable)
	switch one, all := n.Spec.PodCIDR, n.Spec.PodCIDRs; {
	case one == "" && len(all) > 0:
		n.Spec.PodCIDR = all[0]
	case one != "" && (len(all) == 0 || one != all[0]): // older clients know only the one
		n.Spec.PodCIDRs = []string{one}
	}
}

// prepareNode drops what kubelets no longer do, or do only where a feature is switched on that is not by default.
func prepareNode(n, old *corev1.Node) {
	if old == nil {
		n.Spec.ConfigSource, n.Status.Config, n.Spec.PodPreemptionPolicy = nil, nil, nil
		return
	}
	if old.Spec.ConfigSource == nil {
		n.Spec.ConfigSource = nil
	}
	if old.Spec.PodPreemptionPolicy == nil {
		n.Spec.PodPreemptionPolicy = nil
	}
}

// applyNodeStatus takes what a kubelet says of itself, but for a configuration that it can no longer be given.
func applyNodeStatus(n, body *corev1.Node) {
	had := n.Status.Config != nil
	if n.Status = body.Status; !had {
		n.Status.Config = nil
	}
}

func nodeColumns() []metav1.TableColumnDefinition {
	status, info := corev1.NodeStatus{}.SwaggerDoc(), corev1.NodeSystemInfo{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Status", "string", 0, "The status of the node"),
		printers.Column("Roles", "string", 0, "The roles of the node"),
		printers.AgeColumn(),
		printers.Column("Version", "string", 0, info["kubeletVersion"]),
		printers.Column("Internal-IP", "string", 1, status["addresses"]),
		printers.Column("External-IP", "string", 1, status["addresses"]),
		printers.Column("OS-Image", "string", 1, info["osImage"]),
		printers.Column("Kernel-Version", "string", 1, info["kernelVersion"]),
		printers.Column("Container-Runtime", "string", 1, info["containerRuntimeVersion"]),
	}
}

func nodeCells(n *corev1.Node, now time.Time) []any {
	state := "Unknown"
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			state = "Ready"
		} else if c.Type == corev1.NodeReady {
			state = "NotReady"
		}
	}
	if n.Spec.Unschedulable {
		state += ",SchedulingDisabled"
	}
	info := n.Status.NodeInfo
	kernel := printers.OrUnknown(info.KernelVersion)
	if info.Architecture != "" {
		kernel += " (" + info.Architecture + ")"
	}
	return []any{
		n.Name, state, printers.OrNone(strings.Join(nodeRoles(n), ",")), printers.Age(n.CreationTimestamp, now), info.KubeletVersion,
		nodeAddress(n, corev1.NodeInternalIP), nodeAddress(n, corev1.NodeExternalIP),
		printers.OrUnknown(info.OSImage), kernel, printers.OrUnknown(info.ContainerRuntimeVersion),
	}
}

// nodeRoles are named by labels: node-role.kubernetes.io/<role>, or kubernetes.io/role with the role as its value.
func nodeRoles(n *corev1.Node) []string {
	var roles []string
	for key, value := range n.Labels {
		if role, ok := strings.CutPrefix(key, "node-role.kubernetes.io/"); ok && role != "" {
			roles = append(roles, role)
		} else if key == "kubernetes.io/role" && value != "" {
			roles = append(roles, value)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

func nodeAddress(n *corev1.Node, kind corev1.NodeAddressType) string {
	for _, a := range n.Status.Addresses {
		if a.Type == kind {
			return a.Address
		}
	}
	return printers.None
}
