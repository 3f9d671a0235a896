package podspec

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
	"minik.dev/apiserver/resources/volumes"
)

// validateVolumes checks spec.volumes and returns the names that containers may mount. pod is the name of the pod.
func validateVolumes(at *field.Path, volumes []corev1.Volume, pod string) (map[string]*corev1.VolumeSource, field.ErrorList) {
	var errs field.ErrorList
	known := map[string]*corev1.VolumeSource{}
	for i := range volumes {
		v, at := &volumes[i], at.Index(i)
		wrong := validateVolumeSource(at, &v.VolumeSource, v.Name, pod)
		if v.Name == "" {
			wrong = append(wrong, field.Required(at.Child("name"), ""))
		} else {
			wrong = append(wrong, validation.DNSLabel(at.Child("name"), v.Name)...)
		}
		if known[v.Name] != nil {
			wrong = append(wrong, field.Duplicate(at.Child("name"), v.Name))
		}
		if len(wrong) == 0 { // a volume that is wrong is no volume for those who mount it
			known[v.Name] = &v.VolumeSource
		}
		errs = append(errs, wrong...)
	}
	return known, errs
}

// volumeOrder is in which order upstream looks at the sources of a pod's volume, by their names in JSON: what comes second is refused.
var volumeOrder = []string{
	"emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi", "glusterfs", "flocker",
	"persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc", "flexVolume", "configMap", "azureFile", "vsphereVolume",
	"photonPersistentDisk", "portworxVolume", "azureDisk", "storageos", "projected", "scaleIO", "csi", "ephemeral", "image",
}

// validateVolumeSource asks for exactly one source, and checks those that minik's nodes can make or that need another
// object of the cluster.
func validateVolumeSource(at *field.Path, s *corev1.VolumeSource, name, pod string) field.ErrorList {
	types := volumes.InOrder(s, volumeOrder)
	if len(types) == 0 {
		return field.ErrorList{field.Required(at, "must specify a volume type")}
	}
	var errs field.ErrorList
	for _, extra := range types[1:] {
		errs = append(errs, volumes.TooMany(at, extra))
	}
	if i := s.ISCSI; i != nil && i.InitiatorName != nil && len(name+":"+i.TargetPortal) > 64 {
		errs = append(errs, field.Invalid(at.Child("name"), name, volumes.TooLongInitiator))
	}
	volume := at
	at = volumes.Checked(at, types[0])
	switch types[0] {
	case "emptyDir":
		if limit := s.EmptyDir.SizeLimit; limit != nil && limit.Cmp(resource.Quantity{}) < 0 {
			errs = append(errs, field.Forbidden(at.Child("sizeLimit"), "SizeLimit field must be a valid resource quantity"))
		}
	case "hostPath":
		errs = append(errs, volumes.ValidateHostPath(at, s.HostPath)...)
	case "secret":
		errs = append(errs, validation.Required(at.Child("secretName"), s.Secret.SecretName)...)
		errs = append(errs, fileMode(at.Child("defaultMode"), s.Secret.DefaultMode)...)
		errs = append(errs, owner(at.Child("defaultUser"), s.Secret.DefaultUser)...)
		errs = append(errs, validateItems(at.Child("items"), s.Secret.Items)...)
	case "configMap":
		errs = append(errs, validation.Required(at.Child("name"), s.ConfigMap.Name)...)
		errs = append(errs, fileMode(at.Child("defaultMode"), s.ConfigMap.DefaultMode)...)
		errs = append(errs, owner(at.Child("defaultUser"), s.ConfigMap.DefaultUser)...)
		errs = append(errs, validateItems(at.Child("items"), s.ConfigMap.Items)...)
	case "persistentVolumeClaim":
		errs = append(errs, validation.Required(at.Child("claimName"), s.PersistentVolumeClaim.ClaimName)...)
	case "nfs":
		errs = append(errs, volumes.ValidateNFS(at, s.NFS)...)
	case "ephemeral":
		errs = append(errs, validateEphemeral(at.Child("volumeClaimTemplate"), s.Ephemeral.VolumeClaimTemplate)...)
		errs = append(errs, validateClaimName(volume.Child("name"), name, pod)...)
	case "downwardAPI":
		errs = append(errs, fileMode(at.Child("defaultMode"), s.DownwardAPI.DefaultMode)...)
		errs = append(errs, owner(at.Child("defaultUser"), s.DownwardAPI.DefaultUser)...)
		errs = append(errs, validateDownwardFiles(at, s.DownwardAPI.Items)...)
	case "projected":
		errs = append(errs, fileMode(at.Child("defaultMode"), s.Projected.DefaultMode)...)
		errs = append(errs, owner(at.Child("defaultUser"), s.Projected.DefaultUser)...)
		errs = append(errs, validateProjections(at, s.Projected.Sources)...)
	case "gitRepo":
		errs = append(errs, validation.Required(at.Child("repository"), s.GitRepo.Repository)...)
		errs = append(errs, descending(at.Child("directory"), s.GitRepo.Directory)...)
	case "csi":
		errs = append(errs, volumes.ValidateDriverName(at.Child("driver"), s.CSI.Driver)...)
		if ref := s.CSI.NodePublishSecretRef; ref != nil && ref.Name == "" {
			errs = append(errs, field.Required(at.Child("nodePublishSecretRef", "name"), ""))
		} else if ref != nil {
			errs = append(errs, validation.DNSSubdomain(at.Child("name"), ref.Name)...)
		}
	case "image":
		errs = append(errs, validation.Required(at.Child("reference"), s.Image.Reference)...)
		errs = append(errs, validation.OneOf(at.Child("pullPolicy"), s.Image.PullPolicy, corev1.PullAlways, corev1.PullIfNotPresent,
			corev1.PullNever)...)
	default:
		errs = append(errs, volumes.ValidateRemote(at, types[0], volumes.Persistent(s), name, true)...)
	}
	return errs
}

// validateEphemeral checks the template of the claim that is to be made for the pod.
func validateEphemeral(at *field.Path, t *corev1.PersistentVolumeClaimTemplate) field.ErrorList {
	if t == nil {
		return field.ErrorList{field.Required(at, "")}
	}
	errs := validation.TemplateMeta(at.Child("metadata"), &t.ObjectMeta)
	return append(errs, volumes.ValidateClaimSpec(at.Child("spec"), &t.Spec)...)
}

// validateClaimName checks the name of the claim that is made for a volume of a pod: it is made of both names.
func validateClaimName(at *field.Path, volume, pod string) field.ErrorList {
	if volume == "" || pod == "" {
		return nil
	}
	var errs field.ErrorList
	claim := pod + "-" + volume
	for _, why := range apivalidation.NameIsDNSSubdomain(claim, false) {
		errs = append(errs, field.Invalid(at, volume, fmt.Sprintf("PVC name %q: %v", claim, why)))
	}
	return errs
}

func fileMode(at *field.Path, mode *int32) field.ErrorList {
	if mode != nil && (*mode < 0 || *mode > 0o777) {
		return field.ErrorList{field.Invalid(at, *mode, "must be a number between 0 and 0777 (octal), both inclusive")}
	}
	return nil
}

func validateItems(at *field.Path, items []corev1.KeyToPath) field.ErrorList {
	var errs field.ErrorList
	for i, item := range items {
		at := at.Index(i)
		errs = append(errs, validation.Required(at.Child("key"), item.Key)...)
		errs = append(errs, validation.Required(at.Child("path"), item.Path)...)
		errs = append(errs, filePath(at.Child("path"), item.Path)...)
		errs = append(errs, fileMode(at.Child("mode"), item.Mode)...)
		errs = append(errs, owner(at.Child("user"), item.User)...)
	}
	return errs
}

func validateDownwardFiles(at *field.Path, files []corev1.DownwardAPIVolumeFile) field.ErrorList {
	var errs field.ErrorList
	for _, f := range files {
		errs = append(errs, validation.Required(at.Child("path"), f.Path)...)
		errs = append(errs, filePath(at.Child("path"), f.Path)...)
		switch {
		case f.FieldRef != nil && f.ResourceFieldRef != nil:
			errs = append(errs, field.Invalid(at, "resource",
				"fieldRef and resourceFieldRef can not be specified simultaneously"))
			errs = append(errs, validateFieldRef(at.Child("fieldRef"), f.FieldRef, fileFieldPaths)...)
		case f.FieldRef != nil:
			errs = append(errs, validateFieldRef(at.Child("fieldRef"), f.FieldRef, fileFieldPaths)...)
		case f.ResourceFieldRef != nil:
			errs = append(errs, validateResourceFieldRef(at.Child("resourceFieldRef"), f.ResourceFieldRef, true)...)
		default:
			errs = append(errs, field.Required(at, "one of fieldRef and resourceFieldRef is required"))
		}
		errs = append(errs, fileMode(at.Child("mode"), f.Mode)...)
		errs = append(errs, owner(at.Child("user"), f.User)...)
	}
	return errs
}

// filePath takes paths that stay below the volume and keep off the names the kubelet uses there ("..data").
func filePath(at *field.Path, p string) field.ErrorList {
	errs := descending(at, p)
	if strings.HasPrefix(p, "..") && !strings.HasPrefix(p, "../") {
		errs = append(errs, field.Invalid(at, p, "must not start with '..'"))
	}
	return errs
}

func descending(at *field.Path, p string) field.ErrorList {
	var errs field.ErrorList
	if path.IsAbs(p) {
		errs = append(errs, field.Invalid(at, p, "must be a relative path"))
	}
	return append(errs, volumes.ValidateNoBacksteps(at, p)...)
}

// validateMounts checks where a container mounts the pod's volumes.
func validateMounts(at *field.Path, c *corev1.Container, volumes map[string]*corev1.VolumeSource) field.ErrorList {
	var errs field.ErrorList
	at = at.Child("volumeMounts")
	taken := sets.New[string]()
	devices, devicePaths := sets.New[string](), sets.New[string]()
	for _, d := range c.VolumeDevices {
		devices.Insert(d.Name)
		devicePaths.Insert(d.DevicePath)
	}
	for i, m := range c.VolumeMounts {
		one := at.Index(i)
		errs = append(errs, validation.Required(one.Child("name"), m.Name)...)
		if volumes[m.Name] == nil {
			errs = append(errs, field.NotFound(one.Child("name"), m.Name))
		}
		if devices.Has(m.Name) {
			errs = append(errs, field.Invalid(one.Child("name"), m.Name, "must not already exist in volumeDevices"))
		}
		if devicePaths.Has(m.MountPath) {
			errs = append(errs, field.Invalid(one.Child("mountPath"), m.MountPath, "must not already exist as a path in volumeDevices"))
		}
		errs = append(errs, validation.Required(one.Child("mountPath"), m.MountPath)...)
		if taken.Has(m.MountPath) {
			errs = append(errs, field.Invalid(one.Child("mountPath"), m.MountPath, "must be unique"))
		}
		taken.Insert(m.MountPath)
		if m.SubPath != "" {
			errs = append(errs, descending(at.Child("subPath"), m.SubPath)...)
		}
		if m.SubPathExpr != "" {
			if m.SubPath != "" {
				errs = append(errs, field.Invalid(one.Child("subPathExpr"), m.SubPathExpr,
					"subPathExpr and subPath are mutually exclusive"))
			}
			errs = append(errs, descending(at.Child("subPathExpr"), m.SubPathExpr)...)
		}
		errs = append(errs, validatePropagation(at.Child("mountPropagation"), m.MountPropagation, c)...)
		errs = append(errs, validateRecursive(at.Child("recursiveReadOnly"), m)...)
	}
	return errs
}

// validateRecursive checks whether what is mounted below a volume is to be read-only as well.
func validateRecursive(at *field.Path, m corev1.VolumeMount) field.ErrorList {
	if m.RecursiveReadOnly == nil {
		return nil
	}
	mode := *m.RecursiveReadOnly
	if mode == corev1.RecursiveReadOnlyDisabled {
		return nil
	}
	if mode != corev1.RecursiveReadOnlyEnabled && mode != corev1.RecursiveReadOnlyIfPossible {
		return validation.Supported(at, mode, corev1.RecursiveReadOnlyDisabled, corev1.RecursiveReadOnlyEnabled,
			corev1.RecursiveReadOnlyIfPossible)
	}
	var errs field.ErrorList
	if !m.ReadOnly {
		errs = append(errs, field.Forbidden(at, "may only be specified when readOnly is true"))
	}
	if m.MountPropagation != nil && *m.MountPropagation != corev1.MountPropagationNone {
		errs = append(errs, field.Forbidden(at, "may only be specified when mountPropagation is None or not specified"))
	}
	return errs
}

// validateDevices checks where a container finds volumes that are block devices: those of claims alone can be.
func validateDevices(at *field.Path, c *corev1.Container, volumes map[string]*corev1.VolumeSource) field.ErrorList {
	var errs field.ErrorList
	names, paths := sets.New[string](), sets.New[string]()
	mounts, mountPaths := sets.New[string](), sets.New[string]()
	for _, m := range c.VolumeMounts {
		mounts.Insert(m.Name)
		mountPaths.Insert(m.MountPath)
	}
	for i, d := range c.VolumeDevices {
		name, where := at.Index(i).Child("name"), at.Index(i).Child("devicePath")
		errs = append(errs, validation.Required(name, d.Name)...)
		if names.Has(d.Name) {
			errs = append(errs, field.Invalid(name, d.Name, "must be unique"))
		}
		switch source := volumes[d.Name]; {
		case source == nil:
			errs = append(errs, field.NotFound(name, d.Name))
		case source.PersistentVolumeClaim == nil && source.Ephemeral == nil:
			errs = append(errs, field.Invalid(name, d.Name,
				"can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"))
		}
		errs = append(errs, validation.Required(where, d.DevicePath)...)
		if paths.Has(d.DevicePath) {
			errs = append(errs, field.Invalid(where, d.DevicePath, "must be unique"))
		}
		if d.DevicePath != "" && slices.Contains(strings.Split(d.DevicePath, "/"), "..") {
			errs = append(errs, field.Invalid(where, d.DevicePath, "can not contain backsteps ('..')"))
		} else {
			paths.Insert(d.DevicePath)
		}
		if mounts.Has(d.Name) {
			errs = append(errs, field.Invalid(name, d.Name, "must not already exist in volumeMounts"))
		}
		if mountPaths.Has(d.DevicePath) {
			errs = append(errs, field.Invalid(where, d.DevicePath, "must not already exist as a path in volumeMounts"))
		}
		if d.Name != "" {
			names.Insert(d.Name)
		}
	}
	return errs
}

func validatePropagation(at *field.Path, mode *corev1.MountPropagationMode, c *corev1.Container) field.ErrorList {
	if mode == nil {
		return nil
	}
	errs := validation.Supported(at, *mode, corev1.MountPropagationBidirectional, corev1.MountPropagationHostToContainer,
		corev1.MountPropagationNone)
	privileged := c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
	if *mode == corev1.MountPropagationBidirectional && !privileged {
		errs = append(errs, field.Forbidden(at,
			"Bidirectional mount propagation is available only to privileged containers"))
	}
	return errs
}
