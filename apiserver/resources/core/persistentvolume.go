package core

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/volumes"
)

// persistentVolumes carry no finalizer kubernetes.io/pv-protection: upstream's admission adds it, and nothing would
// take it away again.
func persistentVolumes() *resources.Resource {
	return &resources.Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("PersistentVolume"),
		Plural:        "persistentvolumes",
		ShortNames:    []string{"pv"},
		ClusterScoped: true,
		New:           func() resources.Object { return &corev1.PersistentVolume{} },
		NewList:       func() runtime.Object { return &corev1.PersistentVolumeList{} },
		ReturnDeleted: true,
		Idle:          "no controller binds it to a claim, and no node mounts it",
		Subresources: []resources.Subresource{
			resources.Status(func(pv, body *corev1.PersistentVolume) { pv.Status = body.Status },
				func(_, _ *corev1.PersistentVolume) field.ErrorList { return nil }),
		},
		Default: resources.Each(defaultPersistentVolume),
		Prepare: resources.Pair(func(pv, old *corev1.PersistentVolume) {
			if old == nil {
				pv.Status = corev1.PersistentVolumeStatus{Phase: corev1.VolumePending}
			}
		}),
		Stamp:    resources.Stamp(stampPhase),
		Validate: resources.Check(validatePersistentVolume),
		Warn:     resources.Warn(warnPersistentVolume),
		Columns:  persistentVolumeColumns(),
		Cells:    resources.Cells(persistentVolumeCells),
	}
}

// defaultPersistentVolume keeps the data of a volume that is released, and takes it for a file system.
func defaultPersistentVolume(pv *corev1.PersistentVolume) {
	spec := &pv.Spec
	if pv.Status.Phase == "" {
		pv.Status.Phase = corev1.VolumePending
	}
	if spec.PersistentVolumeReclaimPolicy == "" {
		spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	}
	if spec.VolumeMode == nil {
		spec.VolumeMode = ptr.To(corev1.PersistentVolumeFilesystem)
	}
	volumes.DefaultSource(spec)
}

// stampPhase notes when the phase last changed, unless its writer says so itself.
func stampPhase(pv, old *corev1.PersistentVolume, w resources.Write) {
	var was corev1.PersistentVolumeStatus
	if old != nil {
		was = old.Status
	}
	is := &pv.Status
	switch {
	case is.Phase == was.Phase && is.LastPhaseTransitionTime == nil:
		is.LastPhaseTransitionTime = was.LastPhaseTransitionTime.DeepCopy()
	case is.Phase != was.Phase && (is.LastPhaseTransitionTime == nil ||
		is.LastPhaseTransitionTime.Equal(was.LastPhaseTransitionTime)):
		is.LastPhaseTransitionTime = &w.Now
	}
}

// deprecatedClass is the annotation that spec.storageClassName replaced. Where it is set, it still takes precedence.
const deprecatedClass = corev1.BetaStorageClassAnnotation

func warnClassAnnotation(annotations map[string]string) []string {
	if _, ok := annotations[deprecatedClass]; ok {
		return []string{field.NewPath("metadata", "annotations").Key(deprecatedClass).String() +
			`: deprecated since v1.8; use "storageClassName" attribute instead`}
	}
	return nil
}

// deprecatedSources are the volumes whose drivers have left Kubernetes.
var deprecatedSources = []struct {
	name string
	used func(*corev1.PersistentVolumeSource) bool
	text string
}{
	{"photonPersistentDisk", func(s *corev1.PersistentVolumeSource) bool { return s.PhotonPersistentDisk != nil },
		"deprecated in v1.11, non-functional in v1.16+"},
	{"scaleIO", func(s *corev1.PersistentVolumeSource) bool { return s.ScaleIO != nil },
		"deprecated in v1.16, non-functional in v1.22+"},
	{"storageOS", func(s *corev1.PersistentVolumeSource) bool { return s.StorageOS != nil },
		"deprecated in v1.22, non-functional in v1.25+"},
	{"glusterfs", func(s *corev1.PersistentVolumeSource) bool { return s.Glusterfs != nil },
		"deprecated in v1.25, non-functional in v1.26+"},
	{"rbd", func(s *corev1.PersistentVolumeSource) bool { return s.RBD != nil },
		"deprecated in v1.28, non-functional in v1.31+"},
	{"cephfs", func(s *corev1.PersistentVolumeSource) bool { return s.CephFS != nil },
		"deprecated in v1.28, non-functional in v1.31+"},
}

// warnPersistentVolume is pkg/api/persistentvolume/util.go in upstream.
func warnPersistentVolume(pv, _ *corev1.PersistentVolume) []string {
	warnings := warnClassAnnotation(pv.Annotations)
	if _, ok := pv.Annotations[corev1.MountOptionAnnotation]; ok {
		warnings = append(warnings, field.NewPath("metadata", "annotations").Key(corev1.MountOptionAnnotation).String()+
			`: deprecated since v1.31; use "mountOptions" attribute instead`)
	}
	spec := field.NewPath("spec")
	if pv.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRecycle {
		warnings = append(warnings, spec.Child("persistentVolumeReclaimPolicy").String()+
			": The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.")
	}
	if a := pv.Spec.NodeAffinity; a != nil && a.Required != nil {
		warnings = append(warnings, warnNodeTerms(spec.Child("nodeAffinity", "required"), a.Required.NodeSelectorTerms)...)
	}
	for _, source := range deprecatedSources {
		if source.used(&pv.Spec.PersistentVolumeSource) {
			warnings = append(warnings, spec.Child(source.name).String()+": "+source.text)
		}
	}
	return warnings
}

// warnNodeTerms finds labels of nodes that go by a newer name.
func warnNodeTerms(path *field.Path, terms []corev1.NodeSelectorTerm) []string {
	var warnings []string
	for i, term := range terms {
		for j, r := range term.MatchExpressions {
			if message, deprecated := podspec.DeprecatedNodeLabel(r.Key); deprecated {
				at := path.Child("nodeSelectorTerms").Index(i).Child("matchExpressions").Index(j).Child("key")
				warnings = append(warnings, at.String()+": "+r.Key+" is "+message)
			}
		}
	}
	return warnings
}

func persistentVolumeColumns() []metav1.TableColumnDefinition {
	spec, status := corev1.PersistentVolumeSpec{}.SwaggerDoc(), corev1.PersistentVolumeStatus{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Capacity", "string", 0, spec["capacity"]),
		printers.Column("Access Modes", "string", 0, spec["accessModes"]),
		printers.Column("Reclaim Policy", "string", 0, spec["persistentVolumeReclaimPolicy"]),
		printers.Column("Status", "string", 0, status["phase"]),
		printers.Column("Claim", "string", 0, spec["claimRef"]),
		printers.Column("StorageClass", "string", 0, "StorageClass of the pv"),
		printers.Column("VolumeAttributesClass", "string", 0, "VolumeAttributesClass of the pv"),
		printers.Column("Reason", "string", 0, status["reason"]),
		printers.AgeColumn(),
		printers.Column("VolumeMode", "string", 1, spec["volumeMode"]),
	}
}

func persistentVolumeCells(pv *corev1.PersistentVolume, now time.Time) []any {
	phase, claim, class := string(pv.Status.Phase), "", pv.Spec.StorageClassName
	if pv.DeletionTimestamp != nil {
		phase = "Terminating"
	}
	if ref := pv.Spec.ClaimRef; ref != nil {
		claim = ref.Namespace + "/" + ref.Name
	}
	if old, ok := pv.Annotations[deprecatedClass]; ok {
		class = old
	}
	size := pv.Spec.Capacity[corev1.ResourceStorage]
	return []any{
		pv.Name, size.String(), accessModes(pv.Spec.AccessModes), string(pv.Spec.PersistentVolumeReclaimPolicy), phase,
		claim, class, ptr.Deref(pv.Spec.VolumeAttributesClassName, printers.Unset), pv.Status.Reason,
		printers.Age(pv.CreationTimestamp, now), string(ptr.Deref(pv.Spec.VolumeMode, printers.Unset)),
	}
}

// accessModes are the modes in short, each once, in upstream's order: "RWO,ROX".
func accessModes(modes []corev1.PersistentVolumeAccessMode) string {
	var short []string
	for _, known := range []struct {
		mode  corev1.PersistentVolumeAccessMode
		short string
	}{
		{corev1.ReadWriteOnce, "RWO"}, {corev1.ReadOnlyMany, "ROX"}, {corev1.ReadWriteMany, "RWX"},
		{corev1.ReadWriteOncePod, "RWOP"},
	} {
		for _, mode := range modes {
			if mode == known.mode {
				short = append(short, known.short)
				break
			}
		}
	}
	return strings.Join(short, ",")
}
