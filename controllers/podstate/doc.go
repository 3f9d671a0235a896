// Package podstate reads what a pod's status says, as several controllers do: has it ended, is it ready, since when, is it
// available, and why is it taken away.
//
// It decides nothing. Upstream is the kubelet, which writes most of the status; downstream are the controllers.
//
// Real Kubernetes has these functions in pkg/api/v1/pod and pkg/controller.
package podstate
