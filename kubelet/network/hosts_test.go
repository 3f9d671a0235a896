package network

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func webPod(change func(*corev1.PodSpec)) *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name, pod.UID = "shop", "web", "u1"
	change(&pod.Spec)
	return pod
}

// https://kubernetes.io/docs/tasks/network/customize-hosts-file-for-pods/
func TestHosts(t *testing.T) {
	aliases := []corev1.HostAlias{{IP: "10.1.2.3", Hostnames: []string{"foo.remote", "bar.remote"}}}
	for name, test := range map[string]struct {
		change func(*corev1.PodSpec)
		want   string
	}{
		"a pod":        {func(*corev1.PodSpec) {}, managedHosts + "10.244.1.2\tweb\n"},
		"with a name":  {func(s *corev1.PodSpec) { s.Hostname = "front" }, managedHosts + "10.244.1.2\tfront\n"},
		"long name":    {func(s *corev1.PodSpec) { s.Hostname = strings.Repeat("a", 62) + "-b" }, managedHosts + "10.244.1.2\t" + strings.Repeat("a", 62) + "\n"},
		"in subdomain": {func(s *corev1.PodSpec) { s.Subdomain = "db" }, managedHosts + "10.244.1.2\tweb.db.shop.svc.cluster.local\tweb\n"},
		"with aliases": {func(s *corev1.PodSpec) { s.HostAliases = aliases },
			managedHosts + "10.244.1.2\tweb\n\n# Entries added by HostAliases.\n10.1.2.3\tfoo.remote\tbar.remote\n"},
		"on the node's network": {func(s *corev1.PodSpec) { s.HostNetwork, s.HostAliases = true, aliases },
			"# Kubernetes-managed hosts file (host network).\n127.0.0.1 node\n" +
				"\n# Entries added by HostAliases.\n10.1.2.3\tfoo.remote\tbar.remote\n"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, Hosts(webPod(test.change), []string{"10.244.1.2"}, "cluster.local", "127.0.0.1 node\n"))
		})
	}
}
