package volumes

import (
	"net"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources/defaults"
	"minik.dev/apiserver/resources/validation"
)

// Sources that no node of minik mounts. What they say is checked as upstream does, for volumes of pods and for PersistentVolumes, so that
// what is stored here is taken there. The two have types of their own for some; a pod's is read as the volume's (Persistent).

// Persistent is a pod's source as the same source of a PersistentVolume. It has nothing of sources that only pods have.
func Persistent(s *corev1.VolumeSource) *corev1.PersistentVolumeSource {
	p := &corev1.PersistentVolumeSource{
		GCEPersistentDisk: s.GCEPersistentDisk, AWSElasticBlockStore: s.AWSElasticBlockStore, Flocker: s.Flocker, Quobyte: s.Quobyte,
		FC: s.FC, VsphereVolume: s.VsphereVolume, PhotonPersistentDisk: s.PhotonPersistentDisk, PortworxVolume: s.PortworxVolume,
		AzureDisk: s.AzureDisk,
	}
	if v := s.Glusterfs; v != nil {
		p.Glusterfs = &corev1.GlusterfsPersistentVolumeSource{EndpointsName: v.EndpointsName, Path: v.Path}
	}
	if v := s.RBD; v != nil {
		p.RBD = &corev1.RBDPersistentVolumeSource{CephMonitors: v.CephMonitors, RBDImage: v.RBDImage}
	}
	if v := s.CephFS; v != nil {
		p.CephFS = &corev1.CephFSPersistentVolumeSource{Monitors: v.Monitors}
	}
	if v := s.ISCSI; v != nil {
		p.ISCSI = &corev1.ISCSIPersistentVolumeSource{
			TargetPortal: v.TargetPortal, IQN: v.IQN, Lun: v.Lun, DiscoveryCHAPAuth: v.DiscoveryCHAPAuth,
			SessionCHAPAuth: v.SessionCHAPAuth, InitiatorName: v.InitiatorName, SecretRef: secretOf(v.SecretRef),
		}
	}
	if v := s.Cinder; v != nil {
		p.Cinder = &corev1.CinderPersistentVolumeSource{VolumeID: v.VolumeID, SecretRef: secretOf(v.SecretRef)}
	}
	if v := s.FlexVolume; v != nil {
		p.FlexVolume = &corev1.FlexPersistentVolumeSource{Driver: v.Driver, Options: v.Options}
	}
	if v := s.AzureFile; v != nil {
		p.AzureFile = &corev1.AzureFilePersistentVolumeSource{SecretName: v.SecretName, ShareName: v.ShareName}
	}
	if v := s.ScaleIO; v != nil {
		p.ScaleIO = &corev1.ScaleIOPersistentVolumeSource{Gateway: v.Gateway, System: v.System, VolumeName: v.VolumeName}
	}
	if v := s.StorageOS; v != nil {
		p.StorageOS = &corev1.StorageOSPersistentVolumeSource{VolumeName: v.VolumeName, VolumeNamespace: v.VolumeNamespace}
		if v.SecretRef != nil {
			p.StorageOS.SecretRef = &corev1.ObjectReference{Name: v.SecretRef.Name}
		}
	}
	return p
}

func secretOf(ref *corev1.LocalObjectReference) *corev1.SecretReference {
	if ref == nil {
		return nil
	}
	return &corev1.SecretReference{Name: ref.Name}
}

// text is a string of a source that may not be empty.
type text struct{ name, value string }

// ValidateRemote checks the source of the given name in JSON, of the volume of that name. A pod's secrets are in its own namespace.
func ValidateRemote(at *field.Path, name string, s *corev1.PersistentVolumeSource, volume string, inPod bool) field.ErrorList {
	var errs field.ErrorList
	needs := func(texts ...text) {
		for _, t := range texts {
			errs = append(errs, validation.Required(at.Child(t.name), t.value)...)
		}
	}
	secret := func(name, namespace string) {
		errs = append(errs, validation.Required(at.Child("secretRef", "name"), name)...)
		if !inPod {
			errs = append(errs, validation.Required(at.Child("secretRef", "namespace"), namespace)...)
		}
	}
	switch name {
	case "gcePersistentDisk":
		needs(text{"pdName", s.GCEPersistentDisk.PDName})
		errs = append(errs, partition(at, s.GCEPersistentDisk.Partition)...)
	case "awsElasticBlockStore":
		needs(text{"volumeID", s.AWSElasticBlockStore.VolumeID})
		errs = append(errs, partition(at, s.AWSElasticBlockStore.Partition)...)
	case "cinder":
		needs(text{"volumeID", s.Cinder.VolumeID})
		if ref := s.Cinder.SecretRef; ref != nil {
			secret(ref.Name, ref.Namespace)
		}
	case "vsphereVolume":
		needs(text{"volumePath", s.VsphereVolume.VolumePath})
	case "portworxVolume":
		needs(text{"volumeID", s.PortworxVolume.VolumeID})
	case "photonPersistentDisk":
		needs(text{"pdID", s.PhotonPersistentDisk.PdID})
	case "scaleIO":
		needs(text{"gateway", s.ScaleIO.Gateway}, text{"system", s.ScaleIO.System}, text{"volumeName", s.ScaleIO.VolumeName})
	case "rbd":
		needs(text{"image", s.RBD.RBDImage})
		errs = append(errs, monitors(at, s.RBD.CephMonitors)...)
	case "cephfs":
		errs = append(errs, monitors(at, s.CephFS.Monitors)...)
	case "azureFile":
		needs(text{"secretName", s.AzureFile.SecretName}, text{"shareName", s.AzureFile.ShareName})
		if namespace := s.AzureFile.SecretNamespace; namespace != nil {
			needs(text{"secretNamespace", *namespace})
		}
	case "glusterfs":
		needs(text{"endpoints", s.Glusterfs.EndpointsName}, text{"path", s.Glusterfs.Path})
		if namespace := s.Glusterfs.EndpointsNamespace; namespace != nil && *namespace == "" {
			errs = append(errs, field.Invalid(at.Child("endpointsNamespace"), *namespace,
				"if the endpointnamespace is set, it must be a valid namespace name"))
		} else if namespace != nil {
			errs = append(errs, validation.Invalid(at.Child("endpointsNamespace"), *namespace,
				apivalidation.ValidateNamespaceName(*namespace, false))...)
		}
	case "storageos":
		if needs(text{"volumeName", s.StorageOS.VolumeName}); s.StorageOS.VolumeName != "" {
			errs = append(errs, validation.DNSLabel(at.Child("volumeName"), s.StorageOS.VolumeName)...)
		}
		if s.StorageOS.VolumeNamespace != "" {
			errs = append(errs, validation.DNSLabel(at.Child("volumeNamespace"), s.StorageOS.VolumeNamespace)...)
		}
		if ref := s.StorageOS.SecretRef; ref != nil {
			secret(ref.Name, ref.Namespace)
		}
	case "flexVolume":
		needs(text{"driver", s.FlexVolume.Driver})
		errs = append(errs, flexOptions(at.Child("options"), s.FlexVolume.Options)...)
	case "flocker":
		errs = append(errs, validateFlocker(at, s.Flocker)...)
	case "quobyte":
		errs = append(errs, validateQuobyte(at, s.Quobyte)...)
	case "iscsi":
		errs = append(errs, validateISCSI(at, s.ISCSI, volume, inPod)...)
	case "azureDisk":
		errs = append(errs, validateAzureDisk(at, s.AzureDisk)...)
	case "fc":
		errs = append(errs, validateFC(at, s.FC)...)
	}
	return errs
}

func partition(at *field.Path, n int32) field.ErrorList {
	if n < 0 || n > 255 {
		return field.ErrorList{field.Invalid(at.Child("partition"), n, utilvalidation.InclusiveRangeError(1, 255))}
	}
	return nil
}

func lun(at *field.Path, n int32) field.ErrorList {
	if n < 0 || n > 255 {
		return field.ErrorList{field.Invalid(at.Child("lun"), n, utilvalidation.InclusiveRangeError(0, 255))}
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

func flexOptions(at *field.Path, options map[string]string) field.ErrorList {
	var errs field.ErrorList
	for _, key := range validation.SortedKeys(options) {
		domain, _, _ := strings.Cut(key, "/")
		domain = "." + strings.ToLower(domain)
		if strings.HasSuffix(domain, ".kubernetes.io") || strings.HasSuffix(domain, ".k8s.io") {
			errs = append(errs, field.Invalid(at.Key(key), key, "kubernetes.io and k8s.io namespaces are reserved"))
		}
	}
	return errs
}

func validateFlocker(at *field.Path, s *corev1.FlockerVolumeSource) field.ErrorList {
	var errs field.ErrorList
	if s.DatasetName == "" && s.DatasetUUID == "" {
		errs = append(errs, field.Required(at, "one of datasetName and datasetUUID is required"))
	}
	if s.DatasetName != "" && s.DatasetUUID != "" {
		errs = append(errs, field.Invalid(at, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
	}
	if strings.Contains(s.DatasetName, "/") {
		errs = append(errs, field.Invalid(at.Child("datasetName"), s.DatasetName, "must not contain '/'"))
	}
	return errs
}

func validateQuobyte(at *field.Path, s *corev1.QuobyteVolumeSource) field.ErrorList {
	const pairs = "must be a host:port pair or multiple pairs separated by commas"
	var errs field.ErrorList
	switch {
	case s.Registry == "":
		errs = append(errs, field.Required(at.Child("registry"), pairs))
	case len(s.Tenant) > 64:
		errs = append(errs, field.Required(at.Child("tenant"), "must be a UUID and may not exceed a length of 64 characters"))
	default:
		for pair := range strings.SplitSeq(s.Registry, ",") {
			if _, _, err := net.SplitHostPort(pair); err != nil {
				errs = append(errs, field.Invalid(at.Child("registry"), s.Registry, pairs))
			}
		}
	}
	return append(errs, validation.Required(at.Child("volume"), s.Volume)...)
}

// iscsiNames are the three forms that the name of a target or an initiator has, by what it begins with.
var iscsiNames = map[string]*regexp.Regexp{
	"iqn": regexp.MustCompile(`iqn\.\d{4}-\d{2}\.([[:alnum:]-.]+)(:[^,;*&$|\s]+)$`),
	"eui": regexp.MustCompile(`^eui.[[:alnum:]]{16}$`),
	"naa": regexp.MustCompile(`^naa.[[:alnum:]]{32}$`),
}

// maxInitiator is how long <volume>:<portal> may be where the initiator has a name, in bytes.
const maxInitiator = 64

func validateISCSI(at *field.Path, s *corev1.ISCSIPersistentVolumeSource, volume string, inPod bool) field.ErrorList {
	errs := validation.Required(at.Child("targetPortal"), s.TargetPortal)
	name := func(at *field.Path, value string) {
		form, ok := iscsiNames[value[:min(3, len(value))]]
		switch {
		case !ok && inPod:
			errs = append(errs, field.Invalid(at, value, "must be valid format starting with iqn, eui, or naa"))
		case !ok || !form.MatchString(value):
			errs = append(errs, field.Invalid(at, value, "must be valid format"))
		}
	}
	if s.IQN == "" {
		errs = append(errs, field.Required(at.Child("iqn"), ""))
	} else {
		name(at.Child("iqn"), s.IQN)
	}
	errs = append(errs, lun(at, s.Lun)...)
	if (s.DiscoveryCHAPAuth || s.SessionCHAPAuth) && s.SecretRef == nil {
		errs = append(errs, field.Required(at.Child("secretRef"), ""))
	}
	if s.SecretRef != nil && !inPod {
		errs = append(errs, validation.Required(at.Child("secretRef", "name"), s.SecretRef.Name)...)
	}
	if s.InitiatorName == nil {
		return errs
	}
	if name(at.Child("initiatorname"), *s.InitiatorName); !inPod && len(volume+":"+s.TargetPortal) > maxInitiator {
		errs = append(errs, field.Invalid(at.Child("targetportal"), s.TargetPortal, TooLongInitiator))
	}
	return errs
}

// TooLongInitiator is what is said of a volume's name and its portal, which are part of the initiator's name.
const TooLongInitiator = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."

func validateAzureDisk(at *field.Path, s *corev1.AzureDiskVolumeSource) field.ErrorList {
	errs := validation.Required(at.Child("diskName"), s.DiskName)
	errs = append(errs, validation.Required(at.Child("diskURI"), s.DataDiskURI)...)
	if s.CachingMode != nil {
		errs = append(errs, validation.Supported(at.Child("cachingMode"), *s.CachingMode, corev1.AzureDataDiskCachingNone,
			corev1.AzureDataDiskCachingReadOnly, corev1.AzureDataDiskCachingReadWrite)...)
	}
	if s.Kind == nil {
		return errs
	}
	errs = append(errs, validation.Supported(at.Child("kind"), *s.Kind, corev1.AzureDedicatedBlobDisk, corev1.AzureManagedDisk,
		corev1.AzureSharedBlobDisk)...)
	form, begin := "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd", "https://"
	if *s.Kind == corev1.AzureManagedDisk {
		form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
		begin = "/subscriptions/"
	}
	if !strings.HasPrefix(s.DataDiskURI, begin) {
		errs = append(errs, field.NotSupported(at.Child("diskURI"), s.DataDiskURI, []string{form}))
	}
	return errs
}

// DefaultRBD completes an image of Ceph, of a pod's volume or of a PersistentVolume.
func DefaultRBD(pool, user, keyring *string) {
	defaults.Fill(pool, "rbd")
	defaults.Fill(user, "admin")
	defaults.Fill(keyring, "/etc/ceph/keyring")
}

// DefaultScaleIO completes a volume of ScaleIO, likewise.
func DefaultScaleIO(mode, fsType *string) {
	defaults.Fill(mode, "ThinProvisioned")
	defaults.Fill(fsType, "xfs")
}

// DefaultAzureDisk completes a disk, of a pod's volume or of a PersistentVolume.
func DefaultAzureDisk(s *corev1.AzureDiskVolumeSource) {
	defaults.Fill(&s.CachingMode, ptr.To(corev1.AzureDataDiskCachingReadWrite))
	defaults.Fill(&s.Kind, ptr.To(corev1.AzureSharedBlobDisk))
	defaults.Fill(&s.FSType, ptr.To("ext4"))
	defaults.Fill(&s.ReadOnly, ptr.To(false))
}

func validateFC(at *field.Path, s *corev1.FCVolumeSource) field.ErrorList {
	var errs field.ErrorList
	switch {
	case len(s.TargetWWNs) == 0 && len(s.WWIDs) == 0:
		errs = append(errs, field.Required(at.Child("targetWWNs"), "must specify either targetWWNs or wwids, but not both"))
	case len(s.TargetWWNs) > 0 && len(s.WWIDs) > 0:
		errs = append(errs, field.Invalid(at.Child("targetWWNs"), s.TargetWWNs,
			"targetWWNs and wwids can not be specified simultaneously"))
	}
	switch {
	case len(s.TargetWWNs) == 0:
	case s.Lun == nil:
		errs = append(errs, field.Required(at.Child("lun"), "lun is required if targetWWNs is specified"))
	default:
		errs = append(errs, lun(at, *s.Lun)...)
	}
	return errs
}
