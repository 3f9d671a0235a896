package kubelet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// A container that never ran, in a pod that had nothing to do before it, has ended with the pod.
func TestUnstartedContainersEndWithTheirPod(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	pod := &corev1.Pod{Spec: corev1.PodSpec{ActiveDeadlineSeconds: ptr.To[int64](60),
		Containers: []corev1.Container{{Name: "a", Image: "your-image"}}}}
	o := Observed{Last: corev1.PodStatus{StartTime: ptr.To(metav1.NewTime(now.Add(-time.Minute)))}}
	status := PodStatus(pod, o, nil, now)
	require.Equal(t, corev1.PodFailed, status.Phase)
	require.Equal(t, "DeadlineExceeded", status.Reason)
	ended := status.ContainerStatuses[0].State.Terminated
	require.NotNil(t, ended)
	require.Equal(t, "ContainerStatusUnknown", ended.Reason)
	require.Equal(t, int32(137), ended.ExitCode)

	o.Last = status
	require.Equal(t, status, PodStatus(pod, o, nil, now.Add(time.Hour)), "and stays so")
}

// Upstream's generateAPIPodStatus: a pod on its node's network has the node's addresses from the first, and the first stays.
func TestAddressesOfAPodOnTheNodesNetwork(t *testing.T) {
	ips := func(of ...string) (out []corev1.PodIP) {
		for _, ip := range of {
			out = append(out, corev1.PodIP{IP: ip})
		}
		return out
	}
	for name, c := range map[string]struct {
		host bool
		node []string
		last []corev1.PodIP
		want []corev1.PodIP
	}{
		"not on it":                {node: []string{"10.0.0.1"}},
		"before the sandbox":       {host: true, node: []string{"10.0.0.1"}, want: ips("10.0.0.1")},
		"of both families":         {host: true, node: []string{"10.0.0.1", "fd00::1"}, want: ips("10.0.0.1", "fd00::1")},
		"a family comes later":     {host: true, node: []string{"10.0.0.1", "fd00::1"}, last: ips("10.0.0.1"), want: ips("10.0.0.1", "fd00::1")},
		"the first stays":          {host: true, node: []string{"10.0.0.2"}, last: ips("10.0.0.1"), want: ips("10.0.0.1")},
		"not two of one family":    {host: true, node: []string{"10.0.0.1", "10.0.0.2"}, want: ips("10.0.0.1")},
		"the node has none so far": {host: true},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{HostNetwork: c.host, Containers: []corev1.Container{{Name: "a"}}}}
			o := Observed{Last: corev1.PodStatus{PodIPs: c.last}}
			if len(c.last) > 0 {
				o.Last.PodIP = c.last[0].IP
			}
			status := PodStatus(pod, o, c.node, time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
			require.Equal(t, c.want, status.PodIPs)
			if len(c.want) > 0 {
				require.Equal(t, c.want[0].IP, status.PodIP)
			} else {
				require.Empty(t, status.PodIP)
			}
		})
	}
}
