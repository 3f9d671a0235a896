package volumes

import (
	"path"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// sourceTypes lists the sources that a volume names, by their names in JSON; hostPath comes first, as upstream looks.
func sourceTypes(source *corev1.PersistentVolumeSource) []string {
	var types []string
	value := reflect.ValueOf(source).Elem()
	for i := range value.NumField() {
		if f := value.Field(i); !f.IsNil() {
			name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
			types = append(types, name)
		}
	}
	if i := slices.Index(types, "hostPath"); i > 0 {
		types = slices.Insert(slices.Delete(types, i, i+1), 0, "hostPath")
	}
	return types
}

// ValidateSource asks a PersistentVolume, or what a VolumeAttachment says of one, for exactly one source.
func ValidateSource(at *field.Path, spec *corev1.PersistentVolumeSpec) field.ErrorList {
	types := sourceTypes(&spec.PersistentVolumeSource)
	if len(types) == 0 {
		return field.ErrorList{field.Required(at, "must specify a volume type")}
	}
	var errs field.ErrorList
	for _, extra := range types[1:] {
		errs = append(errs, field.Forbidden(at.Child(extra), "may not specify more than 1 volume type"))
	}
	if types[0] == "local" && spec.NodeAffinity == nil {
		errs = append(errs, field.Required(at.Child("nodeAffinity"), "Local volume requires node affinity"))
	}
	return append(errs, validateOneSource(at.Child(types[0]), types[0], &spec.PersistentVolumeSource)...)
}

// text is a string of a source that may not be empty.
type text struct{ name, value string }

// validateOneSource checks the source of the given name in JSON.
func validateOneSource(at *field.Path, name string, s *corev1.PersistentVolumeSource) field.ErrorList {
	needs := func(texts ...text) field.ErrorList {
		var errs field.ErrorList
		for _, t := range texts {
			errs = append(errs, validation.Required(at.Child(t.name), t.value)...)
		}
		return errs
	}
	switch name {
	case "hostPath":
		return ValidateHostPath(at, s.HostPath)
	case "nfs":
		return ValidateNFS(at, s.NFS)
	case "local":
		return append(needs(text{"path", s.Local.Path}), ValidateNoBacksteps(at.Child("path"), s.Local.Path)...)
	case "csi":
		return validateCSI(at, s.CSI)
	case "iscsi":
		return needs(text{"targetPortal", s.ISCSI.TargetPortal}, text{"iqn", s.ISCSI.IQN})
	case "gcePersistentDisk":
		return needs(text{"pdName", s.GCEPersistentDisk.PDName})
	case "awsElasticBlockStore":
		return needs(text{"volumeID", s.AWSElasticBlockStore.VolumeID})
	case "cinder":
		return needs(text{"volumeID", s.Cinder.VolumeID})
	case "vsphereVolume":
		return needs(text{"volumePath", s.VsphereVolume.VolumePath})
	case "portworxVolume":
		return needs(text{"volumeID", s.PortworxVolume.VolumeID})
	case "photonPersistentDisk":
		return needs(text{"pdID", s.PhotonPersistentDisk.PdID})
	case "flexVolume":
		return needs(text{"driver", s.FlexVolume.Driver})
	case "glusterfs":
		return needs(text{"endpoints", s.Glusterfs.EndpointsName}, text{"path", s.Glusterfs.Path})
	case "azureDisk":
		return needs(text{"diskName", s.AzureDisk.DiskName}, text{"diskURI", s.AzureDisk.DataDiskURI})
	case "azureFile":
		return needs(text{"secretName", s.AzureFile.SecretName}, text{"shareName", s.AzureFile.ShareName})
	case "rbd":
		return append(needs(text{"image", s.RBD.RBDImage}), monitors(at, s.RBD.CephMonitors)...)
	case "cephfs":
		return monitors(at, s.CephFS.Monitors)
	case "fc":
		return validateFC(at, s.FC)
	}
	return nil
}

// monitors asks for at least one of those that know where a Ceph cluster is.
func monitors(at *field.Path, list []string) field.ErrorList {
	if len(list) == 0 {
		return field.ErrorList{field.Required(at.Child("monitors"), "")}
	}
	return nil
}

func validateFC(at *field.Path, s *corev1.FCVolumeSource) field.ErrorList {
	switch {
	case len(s.TargetWWNs) == 0 && len(s.WWIDs) == 0:
		return field.ErrorList{field.Required(at.Child("targetWWNs"),
			"must specify either targetWWNs or wwids, but not both")}
	case len(s.TargetWWNs) > 0 && len(s.WWIDs) > 0:
		return field.ErrorList{field.Invalid(at.Child("targetWWNs"), s.TargetWWNs,
			"targetWWNs and wwids can not be specified simultaneously")}
	case len(s.TargetWWNs) > 0 && s.Lun == nil:
		return field.ErrorList{field.Required(at.Child("lun"), "lun is required if targetWWNs is specified")}
	}
	return nil
}

// MaxDriverName is how long the name of a CSI driver may be.
const MaxDriverName = 63

// ValidateDriverName takes the name of a CSI driver: a DNS name of at most 63 characters, in capitals too.
func ValidateDriverName(at *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	var errs field.ErrorList
	if len(name) > MaxDriverName {
		errs = append(errs, field.TooLong(at, name, MaxDriverName))
	}
	return append(errs, validation.Invalid(at, name, utilvalidation.IsDNS1123Subdomain(strings.ToLower(name)))...)
}

func validateCSI(at *field.Path, s *corev1.CSIPersistentVolumeSource) field.ErrorList {
	errs := ValidateDriverName(at.Child("driver"), s.Driver)
	errs = append(errs, validation.Required(at.Child("volumeHandle"), s.VolumeHandle)...)
	for _, secret := range []struct {
		name string
		ref  *corev1.SecretReference
	}{
		{"controllerPublishSecretRef", s.ControllerPublishSecretRef},
		{"controllerExpandSecretRef", s.ControllerExpandSecretRef},
		{"nodePublishSecretRef", s.NodePublishSecretRef}, {"nodeExpandSecretRef", s.NodeExpandSecretRef},
		{"nodeStageSecretRef", s.NodeStageSecretRef},
	} {
		if secret.ref != nil {
			errs = append(errs, validation.Required(at.Child(secret.name, "name"), secret.ref.Name)...)
			errs = append(errs, validation.Required(at.Child(secret.name, "namespace"), secret.ref.Namespace)...)
		}
	}
	return errs
}

// ValidateHostPath checks a path of the node.
func ValidateHostPath(at *field.Path, s *corev1.HostPathVolumeSource) field.ErrorList {
	if s.Path == "" {
		return field.ErrorList{field.Required(at.Child("path"), "")}
	}
	errs := ValidateNoBacksteps(at.Child("path"), s.Path)
	if s.Type != nil && *s.Type != corev1.HostPathUnset {
		errs = append(errs, validation.OneOf(at.Child("type"), *s.Type, corev1.HostPathUnset, corev1.HostPathBlockDev,
			corev1.HostPathCharDev, corev1.HostPathDirectory, corev1.HostPathDirectoryOrCreate, corev1.HostPathFile,
			corev1.HostPathFileOrCreate, corev1.HostPathSocket)...)
	}
	return errs
}

// ValidateNFS checks a directory that an NFS server exports.
func ValidateNFS(at *field.Path, s *corev1.NFSVolumeSource) field.ErrorList {
	errs := validation.Required(at.Child("server"), s.Server)
	errs = append(errs, validation.Required(at.Child("path"), s.Path)...)
	if !path.IsAbs(s.Path) {
		errs = append(errs, field.Invalid(at.Child("path"), s.Path, "must be an absolute path"))
	}
	return errs
}

// ValidateNoBacksteps refuses a path that leads out of its directory by "..".
func ValidateNoBacksteps(at *field.Path, p string) field.ErrorList {
	if slices.Contains(strings.Split(strings.ReplaceAll(p, `\`, "/"), "/"), "..") {
		return field.ErrorList{field.Invalid(at, p, "must not contain '..'")}
	}
	return nil
}
