package volumes

import (
	"cmp"
	"path"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/defaults"
	"minik.dev/apiserver/resources/validation"
)

// DefaultSource completes the amount and the source of a PersistentVolume, or of one that a VolumeAttachment writes out.
func DefaultSource(spec *corev1.PersistentVolumeSpec) {
	defaults.RoundUp(spec.Capacity)
	if spec.HostPath != nil && spec.HostPath.Type == nil {
		spec.HostPath.Type = ptr.To(corev1.HostPathUnset)
	}
	if spec.ISCSI != nil && spec.ISCSI.ISCSIInterface == "" {
		spec.ISCSI.ISCSIInterface = "default"
	}
	if s := spec.RBD; s != nil {
		DefaultRBD(&s.RBDPool, &s.RadosUser, &s.Keyring)
	}
	if s := spec.ScaleIO; s != nil {
		DefaultScaleIO(&s.StorageMode, &s.FSType)
	}
	if spec.AzureDisk != nil {
		DefaultAzureDisk(spec.AzureDisk)
	}
}

// sourceOrder is in which order upstream looks at the sources of a PersistentVolume, by their names in JSON: what comes second is refused.
var sourceOrder = []string{
	"hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte", "cephfs", "iscsi", "cinder", "fc",
	"flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO", "local", "storageos", "csi",
}

// InOrder lists the sources that a volume names, by their names in JSON and in the order given.
func InOrder(source any, order []string) []string {
	var types []string
	value := reflect.ValueOf(source).Elem()
	for i := range value.NumField() {
		if f := value.Field(i); !f.IsNil() {
			name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
			types = append(types, name)
		}
	}
	slices.SortFunc(types, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	return types
}

// refusedNames are how upstream calls some sources where they are one too many, and checkedNames where they are looked into.
var (
	refusedNames = map[string]string{"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
	checkedNames = map[string]string{"gcePersistentDisk": "persistentDisk"}
)

// TooMany refuses a source beside another one.
func TooMany(at *field.Path, name string) *field.Error {
	return field.Forbidden(at.Child(cmp.Or(refusedNames[name], name)), "may not specify more than 1 volume type")
}

// Checked is the path of a source that is looked into.
func Checked(at *field.Path, name string) *field.Path {
	return at.Child(cmp.Or(checkedNames[name], name))
}

// ValidateSource asks a PersistentVolume of that name, or what a VolumeAttachment says of one, for exactly one source. What is thrown away
// with the volume must not be a whole node.
func ValidateSource(at *field.Path, spec *corev1.PersistentVolumeSpec, volume string) field.ErrorList {
	types := InOrder(&spec.PersistentVolumeSource, sourceOrder)
	if len(types) == 0 {
		return field.ErrorList{field.Required(at, "must specify a volume type")}
	}
	var errs field.ErrorList
	for _, extra := range types[1:] {
		if extra == "flexVolume" { // upstream lets it pass
			errs = append(errs, ValidateRemote(at.Child(extra), extra, &spec.PersistentVolumeSource, volume, false)...)
			continue
		}
		errs = append(errs, TooMany(at, extra))
	}
	if types[0] == "local" && spec.NodeAffinity == nil {
		errs = append(errs, field.Required(at.Child("nodeAffinity"), "Local volume requires node affinity"))
	}
	root := at
	at = Checked(at, types[0])
	switch types[0] {
	case "hostPath":
		if path.Clean(spec.HostPath.Path) == "/" && spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRecycle {
			errs = append(errs, field.Forbidden(root.Child("persistentVolumeReclaimPolicy"), "may not be 'recycle' for a hostPath mount of '/'"))
		}
		return append(errs, ValidateHostPath(at, spec.HostPath)...)
	case "nfs":
		return append(errs, ValidateNFS(at, spec.NFS)...)
	case "local":
		if spec.Local.Path == "" {
			return append(errs, field.Required(at.Child("path"), ""))
		}
		return append(errs, ValidateNoBacksteps(at.Child("path"), spec.Local.Path)...)
	case "csi":
		return append(errs, validateCSI(at, spec.CSI)...)
	}
	return append(errs, ValidateRemote(at, types[0], &spec.PersistentVolumeSource, volume, false)...)
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
	} {
		if secret.ref != nil {
			errs = append(errs, validateSecretOf(at.Child(secret.name), secret.ref)...)
		}
	}
	return errs
}

// validateSecretOf checks where the driver's secret is: a volume has no namespace of its own.
func validateSecretOf(at *field.Path, ref *corev1.SecretReference) field.ErrorList {
	var errs field.ErrorList
	if ref.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), ""))
	} else {
		errs = append(errs, validation.DNSSubdomain(at.Child("name"), ref.Name)...)
	}
	if ref.Namespace == "" {
		return append(errs, field.Required(at.Child("namespace"), ""))
	}
	return append(errs, validation.DNSLabel(at.Child("namespace"), ref.Namespace)...)
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
