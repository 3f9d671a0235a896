package cluster

import (
	"slices"
	"strings"

	"minik.dev/controllers"
	"minik.dev/dns"
)

// Holdable are the components that can be held before their next decision. A node's kubelet is named with its node.
func Holdable() []string {
	return slices.Concat([]string{"scheduler", "proxy", "dns", kubeletPrefix + "NODE"}, controllers.Names())
}

const kubeletPrefix = "kubelet/"

// Actor is how the journal knows who writes for a component that can be held: by the program's name or, of a node, by the
// user's.
func Actor(component string) (program, user string) {
	if node, ok := strings.CutPrefix(component, kubeletPrefix); ok {
		return "kubelet", "system:node:" + node
	}
	switch component {
	case "scheduler":
		return "default-scheduler", ""
	case "proxy":
		return "kube-proxy", ""
	case "dns":
		return dns.Component, ""
	}
	return controllers.Actor(component), ""
}
