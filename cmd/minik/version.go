package main

import (
	"runtime/debug"
	"strings"
	_ "unsafe" // for go:linkname

	kubeversion "k8s.io/component-base/version"
)

// kubectl's release builds get their version from the linker. A plain `go build` or `go install` has no such flags, and
// `minik version` would say v0.0.0-master and warn of a server that is too new. What the flags would set is set here, from
// what the build knows of its modules.
var (
	//go:linkname kubectlVersion k8s.io/component-base/version.gitVersion
	kubectlVersion string
	//go:linkname kubectlMajor k8s.io/component-base/version.gitMajor
	kubectlMajor string
	//go:linkname kubectlMinor k8s.io/component-base/version.gitMinor
	kubectlMinor string
)

// setKubectlVersion makes kubectl's commands say which Kubernetes they are of.
func setKubectlVersion() {
	version := kubernetesVersion()
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) < 3 {
		return // the build recorded nothing: kubectl's placeholder says as much
	}
	kubectlVersion, kubectlMajor, kubectlMinor = version, parts[0], parts[1]
	// It refuses every version but the one just set.
	if err := kubeversion.SetDynamicVersion(version); err != nil {
		panic(err)
	}
}

// kubernetesVersion is the Kubernetes whose libraries minik is made of; "" where the build did not record it.
func kubernetesVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, dependency := range info.Deps {
		if dependency.Path == "k8s.io/client-go" {
			// The libraries' v0.37.2 is Kubernetes' v1.37.2.
			return strings.Replace(dependency.Version, "v0.", "v1.", 1)
		}
	}
	return ""
}

// version is minik's own, as the build recorded it, and that of Kubernetes.
func version() string {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	if kubernetes := kubernetesVersion(); kubernetes != "" {
		version += " (Kubernetes " + kubernetes + ")"
	}
	return version
}
