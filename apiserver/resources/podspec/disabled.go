package podspec

import (
	corev1 "k8s.io/api/core/v1"
)

// dropDisabled takes away the fields of features that are alpha, or off by default, in the version of Kubernetes that minik follows, as
// upstream's API server does (pkg/api/pod/util.go): whoever reads a pod again sees that they mean nothing here.
func dropDisabled(spec *corev1.PodSpec) {
	spec.EvictionResponders, spec.SchedulingGroup = nil, nil
	forEvery(spec, func(c *corev1.Container) {
		for i := range c.VolumeMounts {
			c.VolumeMounts[i].BindMountOptions = nil
		}
		for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
			if p == nil {
				continue
			}
			dropProtocol(p.HTTPGet)
			if p.GRPC != nil {
				p.GRPC.Mode = nil
			}
		}
		if c.Lifecycle == nil {
			return
		}
		for _, h := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if h != nil {
				dropProtocol(h.HTTPGet)
			}
		}
		if c.Lifecycle.StopSignal != nil {
			c.Lifecycle.StopSignal = nil
			if *c.Lifecycle == (corev1.Lifecycle{}) {
				c.Lifecycle = nil
			}
		}
	})
	for i := range spec.Volumes {
		dropFileUsers(&spec.Volumes[i].VolumeSource)
	}
}

func dropProtocol(get *corev1.HTTPGetAction) {
	if get != nil {
		get.Protocol = nil
	}
}

// dropFileUsers takes away to whom the files of a volume belong, and the mode of an empty directory.
func dropFileUsers(s *corev1.VolumeSource) {
	items := func(items []corev1.KeyToPath) {
		for i := range items {
			items[i].User = nil
		}
	}
	files := func(files []corev1.DownwardAPIVolumeFile) {
		for i := range files {
			files[i].User = nil
		}
	}
	if s.EmptyDir != nil {
		s.EmptyDir.Mode = nil
	}
	switch {
	case s.Secret != nil:
		s.Secret.DefaultUser = nil
		items(s.Secret.Items)
	case s.ConfigMap != nil:
		s.ConfigMap.DefaultUser = nil
		items(s.ConfigMap.Items)
	case s.DownwardAPI != nil:
		s.DownwardAPI.DefaultUser = nil
		files(s.DownwardAPI.Items)
	case s.Projected != nil:
		s.Projected.DefaultUser = nil
		for i := range s.Projected.Sources {
			switch p := &s.Projected.Sources[i]; {
			case p.Secret != nil:
				items(p.Secret.Items)
			case p.DownwardAPI != nil:
				files(p.DownwardAPI.Items)
			case p.ConfigMap != nil:
				items(p.ConfigMap.Items)
			case p.ServiceAccountToken != nil:
				p.ServiceAccountToken.User = nil
			case p.ClusterTrustBundle != nil:
				p.ClusterTrustBundle.User = nil
			case p.PodCertificate != nil:
				p.PodCertificate.User = nil
			}
		}
	}
}
