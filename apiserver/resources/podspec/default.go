package podspec

import (
	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/defaults"
	"minik.dev/apiserver/resources/volumes"
)

// The defaults of pods and of the templates that pods are made from (pkg/apis/core/v1/defaults.go). A template gets
// fewer than a pod: what depends on the cluster, or would make an old template look changed, is filled in when the pod
// is made.

// DefaultPod fills in what the spec of a pod leaves out. A template is given less: see DefaultTemplate.
func DefaultPod(spec *corev1.PodSpec) {
	defaultSpec(spec)
	if seconds := spec.TerminationGracePeriodSeconds; *seconds < 0 {
		spec.TerminationGracePeriodSeconds = ptr.To(int64(1))
	}
	if spec.EnableServiceLinks == nil {
		spec.EnableServiceLinks = ptr.To(corev1.DefaultEnableServiceLinks)
	}
	ForEachContainer(spec, func(c *corev1.Container) {
		requestLimits(&c.Resources)
		if spec.HostNetwork {
			for i := range c.Ports {
				if c.Ports[i].HostPort == 0 {
					c.Ports[i].HostPort = c.Ports[i].ContainerPort
				}
			}
		}
	})
}

// requestLimits asks for what is limited, where nothing is asked for.
func requestLimits(r *corev1.ResourceRequirements) {
	for name, limit := range r.Limits {
		if _, asked := r.Requests[name]; !asked {
			if r.Requests == nil {
				r.Requests = corev1.ResourceList{}
			}
			r.Requests[name] = limit.DeepCopy()
		}
	}
}

// DefaultTemplate fills in what a pod template leaves out.
func DefaultTemplate(template *corev1.PodTemplateSpec) { defaultSpec(&template.Spec) }

func defaultSpec(spec *corev1.PodSpec) {
	if spec.DNSPolicy == "" {
		spec.DNSPolicy = corev1.DNSClusterFirst
	}
	if spec.RestartPolicy == "" {
		spec.RestartPolicy = corev1.RestartPolicyAlways
	}
	if spec.SecurityContext == nil {
		spec.SecurityContext = &corev1.PodSecurityContext{}
	}
	if spec.TerminationGracePeriodSeconds == nil {
		spec.TerminationGracePeriodSeconds = ptr.To(int64(corev1.DefaultTerminationGracePeriodSeconds))
	}
	if spec.SchedulerName == "" {
		spec.SchedulerName = corev1.DefaultSchedulerName
	}
	// serviceAccount is the old name of serviceAccountName; both are always the same.
	if spec.ServiceAccountName == "" {
		spec.ServiceAccountName = spec.DeprecatedServiceAccount
	}
	spec.DeprecatedServiceAccount = spec.ServiceAccountName
	defaults.RoundUp(spec.Overhead)
	if spec.Resources != nil {
		defaults.RoundUp(spec.Resources.Limits)
		defaults.RoundUp(spec.Resources.Requests)
	}
	for i := range spec.Volumes {
		defaultVolume(&spec.Volumes[i])
	}
	forEvery(spec, defaultContainer)
	dropDisabled(spec)
}

// ForEachContainer visits the init containers and the containers.
func ForEachContainer(spec *corev1.PodSpec, visit func(*corev1.Container)) {
	for i := range spec.InitContainers {
		visit(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		visit(&spec.Containers[i])
	}
}

// forEvery visits the ephemeral containers as well.
func forEvery(spec *corev1.PodSpec, visit func(*corev1.Container)) {
	ForEachContainer(spec, visit)
	for i := range spec.EphemeralContainers {
		visit((*corev1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
}

func defaultContainer(c *corev1.Container) {
	if c.ImagePullPolicy == "" {
		c.ImagePullPolicy = pullPolicy(c.Image)
	}
	if c.TerminationMessagePath == "" {
		c.TerminationMessagePath = corev1.TerminationMessagePathDefault
	}
	if c.TerminationMessagePolicy == "" {
		c.TerminationMessagePolicy = corev1.TerminationMessageReadFile
	}
	for i := range c.Ports {
		if c.Ports[i].Protocol == "" {
			c.Ports[i].Protocol = corev1.ProtocolTCP
		}
	}
	for i := range c.Env {
		if from := c.Env[i].ValueFrom; from != nil {
			defaultFieldRef(from.FieldRef)
			if from.FileKeyRef != nil {
				defaults.Fill(&from.FileKeyRef.Optional, ptr.To(false))
			}
		}
	}
	defaults.RoundUp(c.Resources.Limits)
	defaults.RoundUp(c.Resources.Requests)
	for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if probe != nil {
			defaultProbe(probe)
		}
	}
	if c.Lifecycle != nil {
		for _, handler := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if handler != nil {
				defaultHTTPGet(handler.HTTPGet)
			}
		}
	}
}

// pullPolicy is Always for an image that may change under its name, which is what the tag latest stands for, also where
// it is not written.
func pullPolicy(image string) corev1.PullPolicy {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil { // what it stands for nobody can say
		return corev1.PullIfNotPresent
	}
	tagged, ok := named.(reference.Tagged)
	if ok && tagged.Tag() == "latest" || reference.IsNameOnly(named) {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}

func defaultProbe(p *corev1.Probe) {
	defaults.Fill(&p.TimeoutSeconds, 1)
	defaults.Fill(&p.PeriodSeconds, 10)
	defaults.Fill(&p.SuccessThreshold, 1)
	defaults.Fill(&p.FailureThreshold, 3)
	defaultHTTPGet(p.HTTPGet)
	if p.GRPC != nil && p.GRPC.Service == nil {
		p.GRPC.Service = ptr.To("")
	}
}

func defaultHTTPGet(get *corev1.HTTPGetAction) {
	if get == nil {
		return
	}
	if get.Path == "" {
		get.Path = "/"
	}
	if get.Scheme == "" {
		get.Scheme = corev1.URISchemeHTTP
	}
}

func defaultFieldRef(ref *corev1.ObjectFieldSelector) {
	if ref != nil && ref.APIVersion == "" {
		ref.APIVersion = "v1"
	}
}

// defaultVolume makes a volume without a source an empty directory, and gives files their mode.
func defaultVolume(v *corev1.Volume) {
	s := &v.VolumeSource
	if ptr.AllPtrFieldsNil(s) {
		s.EmptyDir = &corev1.EmptyDirVolumeSource{}
	}
	if s.Secret != nil {
		defaultMode(&s.Secret.DefaultMode, corev1.SecretVolumeSourceDefaultMode)
	}
	if s.ConfigMap != nil {
		defaultMode(&s.ConfigMap.DefaultMode, corev1.ConfigMapVolumeSourceDefaultMode)
	}
	if s.DownwardAPI != nil {
		defaultMode(&s.DownwardAPI.DefaultMode, corev1.DownwardAPIVolumeSourceDefaultMode)
		defaultItems(s.DownwardAPI.Items)
	}
	if s.HostPath != nil && s.HostPath.Type == nil {
		s.HostPath.Type = ptr.To(corev1.HostPathUnset)
	}
	defaultRemote(s)
	if s.Ephemeral != nil && s.Ephemeral.VolumeClaimTemplate != nil {
		volumes.DefaultClaimSpec(&s.Ephemeral.VolumeClaimTemplate.Spec)
	}
	if s.Image != nil && s.Image.PullPolicy == "" {
		s.Image.PullPolicy = pullPolicy(s.Image.Reference)
	}
	if s.Projected != nil {
		defaultMode(&s.Projected.DefaultMode, corev1.ProjectedVolumeSourceDefaultMode)
		for i := range s.Projected.Sources {
			source := &s.Projected.Sources[i]
			if token := source.ServiceAccountToken; token != nil && token.ExpirationSeconds == nil {
				token.ExpirationSeconds = ptr.To(int64(60 * 60))
			}
			if source.DownwardAPI != nil {
				defaultItems(source.DownwardAPI.Items)
			}
		}
	}
}

// defaultRemote completes sources that no node of minik mounts.
func defaultRemote(s *corev1.VolumeSource) {
	if v := s.ISCSI; v != nil {
		defaults.Fill(&v.ISCSIInterface, "default")
	}
	if v := s.RBD; v != nil {
		volumes.DefaultRBD(&v.RBDPool, &v.RadosUser, &v.Keyring)
	}
	if v := s.ScaleIO; v != nil {
		volumes.DefaultScaleIO(&v.StorageMode, &v.FSType)
	}
	if s.AzureDisk != nil {
		volumes.DefaultAzureDisk(s.AzureDisk)
	}
}

func defaultMode(mode **int32, otherwise int32) {
	if *mode == nil {
		*mode = &otherwise
	}
}

func defaultItems(items []corev1.DownwardAPIVolumeFile) {
	for i := range items {
		defaultFieldRef(items[i].FieldRef)
	}
}
