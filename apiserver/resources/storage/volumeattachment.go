package storage

import (
	"math"
	"time"
	"unicode/utf8"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
	"minik.dev/apiserver/resources/volumes"
)

func volumeAttachments() *resources.Resource {
	return &resources.Resource{
		Kind:          storagev1.SchemeGroupVersion.WithKind("VolumeAttachment"),
		Plural:        "volumeattachments",
		ClusterScoped: true,
		New:           func() resources.Object { return &storagev1.VolumeAttachment{} },
		NewList:       func() runtime.Object { return &storagev1.VolumeAttachmentList{} },
		Conditional:   true,
		ReturnDeleted: true,
		Idle:          "no CSI driver attaches the volume to the node",
		Subresources: []resources.Subresource{
			resources.Status(func(a, body *storagev1.VolumeAttachment) { a.Status = body.Status },
				func(a, _ *storagev1.VolumeAttachment) field.ErrorList { return validateAttachmentStatus(&a.Status) }, "metadata").
				WithMeta(resources.WholeMeta),
		},
		Default: resources.Each(func(a *storagev1.VolumeAttachment) {
			if inline := a.Spec.Source.InlineVolumeSpec; inline != nil {
				volumes.DefaultSource(inline)
			}
		}),
		Validate: resources.Check(validateVolumeAttachment),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			attacherColumn(),
			printers.Column("PV", "string", 0, storagev1.VolumeAttachmentSource{}.SwaggerDoc()["persistentVolumeName"]),
			printers.Column("Node", "string", 0, storagev1.VolumeAttachmentSpec{}.SwaggerDoc()["nodeName"]),
			printers.Column("Attached", "boolean", 0, storagev1.VolumeAttachmentStatus{}.SwaggerDoc()["attached"]),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(func(a *storagev1.VolumeAttachment, now time.Time) []any {
			return []any{
				a.Name, a.Spec.Attacher, ptr.Deref(a.Spec.Source.PersistentVolumeName, ""), a.Spec.NodeName,
				a.Status.Attached, printers.Age(a.CreationTimestamp, now),
			}
		}),
	}
}

// attacherColumn has the format of a name, as upstream's.
func attacherColumn() metav1.TableColumnDefinition {
	c := printers.Column("Attacher", "string", 0, storagev1.VolumeAttachmentSpec{}.SwaggerDoc()["attacher"])
	c.Format = "name"
	return c
}

func validateVolumeAttachment(a, old *storagev1.VolumeAttachment) field.ErrorList {
	path := field.NewPath("spec")
	changed := old != nil && !equality.Semantic.DeepEqual(a.Spec, old.Spec)
	var errs field.ErrorList
	if changed { // upstream's generated checks stop there, and those of other drivers' names are asked
		errs = append(errs, field.Invalid(path, nil, "field is immutable"))
		errs = append(errs, volumes.ValidateDriverName(path.Child("attacher"), a.Spec.Attacher)...)
	} else {
		errs = append(errs, validateAttacher(path.Child("attacher"), a.Spec.Attacher)...)
	}
	errs = append(errs, validateAttachmentSource(path.Child("source"), &a.Spec.Source)...)
	errs = append(errs, validation.DNSSubdomain(path.Child("nodeName"), a.Spec.NodeName)...)
	return errs
}

// validateAttacher takes the name of a CSI driver, and words its mistakes as upstream's generated checks do.
func validateAttacher(path *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	if utf8.RuneCountInString(name) > volumes.MaxDriverName {
		errs = append(errs, field.TooLongCharacters(path, name, volumes.MaxDriverName))
	}
	return append(errs, validation.Invalid(path, name, content.IsDNS1123SubdomainCaseless(name))...)
}

// validateAttachmentSource asks for the name of a volume, or for one that is written out. A name is looked at wherever it stands.
func validateAttachmentSource(path *field.Path, s *storagev1.VolumeAttachmentSource) field.ErrorList {
	const one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
	var errs field.ErrorList
	name, inline := s.PersistentVolumeName, s.InlineVolumeSpec
	switch {
	case name == nil && inline == nil:
		return field.ErrorList{field.Required(path, one)}
	case name != nil && inline != nil:
		errs = append(errs, field.Forbidden(path, one))
	case inline != nil:
		return volumes.ValidateInline(path.Child("inlineVolumeSpec"), inline)
	case *name == "":
		errs = append(errs, field.Required(path.Child("persistentVolumeName"), "must specify non empty persistentVolumeName"))
	}
	return append(errs, validation.DNSSubdomain(path.Child("persistentVolumeName"), *name)...)
}

// The upper bounds of what a driver says of an attachment, in bytes.
const (
	maxAttachmentMetadata = 256 << 10
	maxVolumeError        = 1024
)

func validateAttachmentStatus(s *storagev1.VolumeAttachmentStatus) field.ErrorList {
	var errs field.ErrorList
	path, size := field.NewPath("status"), 0
	for key, value := range s.AttachmentMetadata {
		size += len(key) + len(value)
	}
	if size > maxAttachmentMetadata {
		errs = append(errs, field.TooLong(path.Child("attachmentMetadata"), "", maxAttachmentMetadata))
	}
	errs = append(errs, validateVolumeError(path.Child("attachError"), s.AttachError)...)
	return append(errs, validateVolumeError(path.Child("detachError"), s.DetachError)...)
}

func validateVolumeError(path *field.Path, e *storagev1.VolumeError) field.ErrorList {
	if e == nil {
		return nil
	}
	var errs field.ErrorList
	if len(e.Message) > maxVolumeError {
		errs = append(errs, field.TooLong(path.Child("message"), "", maxVolumeError))
	}
	if e.ErrorCode != nil && *e.ErrorCode < 0 {
		errs = append(errs, field.Invalid(path.Child("errorCode"), *e.ErrorCode,
			utilvalidation.InclusiveRangeError(0, math.MaxInt32)))
	}
	return errs
}
