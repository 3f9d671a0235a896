// Package podspec has everything that the API server knows about the specs of pods. Pods have one (package core), and so do the templates of
// all kinds that make pods (apps, batch, core), so it belongs to no group.
//
//  1. default.go fills in what is left out: [DefaultPod] in a pod, [DefaultTemplate] in a template, which is given less, so that an old
//     template does not look changed when minik learns more defaults.
//  2. validate.go checks the spec as a whole ([ValidatePod], [ValidateTemplate]), and asks a file for each part of it: container.go,
//     env.go, probe.go, requirements.go (resources), security.go, volume.go, ephemeral.go, affinity.go (also tolerations, taints and
//     spreading).
//  3. update.go, resize.go and ephemeral.go say what of a pod may still change, on which path. Everything else is a new pod.
//  4. warn.go answers what is legal but unwise, and keeps the list of fields that minik does not honour yet.
//  5. workload.go has what kinds that keep pods running check besides their template: that the selector fits it, and the numbers in their
//     status. qos.go works out a pod's class of service.
//
// Upstream are the rows of core, apps and batch; downstream are packages validation, volumes and defaults. Every function is pure.
//
// Real Kubernetes has the same in pkg/apis/core/v1/defaults.go, pkg/apis/core/validation and pkg/api/pod, on its internal types.
package podspec
