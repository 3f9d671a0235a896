package kubelet

import (
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// NewForTest is New with a client and a power switch of the test's own.
func NewForTest(client kubernetes.Interface, controls cache.ListerWatcher, options Options) (*Kubelet, error) {
	return newKubelet(client, controls, options)
}
