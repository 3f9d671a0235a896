package network

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

const managedHosts = `# Kubernetes-managed hosts file.
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::0	ip6-localnet
fe00::0	ip6-mcastprefix
fe00::1	ip6-allnodes
fe00::2	ip6-allrouters
`

// Hosts is the pod's /etc/hosts. node is the node's own, which pods on its network start from.
func Hosts(pod *corev1.Pod, ips []string, domain, node string) string {
	var out strings.Builder
	if pod.Spec.HostNetwork {
		out.WriteString("# Kubernetes-managed hosts file (host network).\n" + node)
	} else {
		out.WriteString(managedHosts)
		name := runtime.Hostname(pod)
		for _, ip := range ips {
			if pod.Spec.Subdomain != "" {
				fmt.Fprintf(&out, "%s\t%s.%s.%s.svc.%s\t%s\n", ip, name, pod.Spec.Subdomain, pod.Namespace, domain, name)
			} else {
				fmt.Fprintf(&out, "%s\t%s\n", ip, name)
			}
		}
	}
	if len(pod.Spec.HostAliases) > 0 {
		out.WriteString("\n# Entries added by HostAliases.\n")
		for _, alias := range pod.Spec.HostAliases {
			fmt.Fprintf(&out, "%s\t%s\n", alias.IP, strings.Join(alias.Hostnames, "\t"))
		}
	}
	return out.String()
}
