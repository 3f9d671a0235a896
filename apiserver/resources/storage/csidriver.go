package storage

import (
	"slices"
	"strings"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/defaults"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func csiDrivers() *resources.Resource {
	return &resources.Resource{
		Kind:          storagev1.SchemeGroupVersion.WithKind("CSIDriver"),
		Plural:        "csidrivers",
		NameOnce:      true,
		ClusterScoped: true,
		New:           func() resources.Object { return &storagev1.CSIDriver{} },
		NewList:       func() runtime.Object { return &storagev1.CSIDriverList{} },
		Conditional:   true,
		ReturnDeleted: true,
		Idle:          "no node speaks to CSI drivers",
		Default:       resources.Each(defaultCSIDriver),
		Prepare:       resources.Pair(prepareCSIDriver),
		Validate:      resources.Check(validateCSIDriver),
		Warn:          resources.Warn(warnCSIDriver),
		Columns:       csiDriverColumns(),
		Cells:         resources.Cells(csiDriverCells),
	}
}

func defaultCSIDriver(d *storagev1.CSIDriver) {
	spec := &d.Spec
	defaults.Fill(&spec.AttachRequired, ptr.To(true))
	defaults.Fill(&spec.PodInfoOnMount, ptr.To(false))
	defaults.Fill(&spec.StorageCapacity, ptr.To(false))
	defaults.Fill(&spec.FSGroupPolicy, ptr.To(storagev1.ReadWriteOnceWithFSTypeFSGroupPolicy))
	defaults.Fill(&spec.RequiresRepublish, ptr.To(false))
	defaults.Fill(&spec.SELinuxMount, ptr.To(false))
	defaults.Fill(&spec.PreventPodSchedulingIfMissing, ptr.To(false))
	if len(spec.VolumeLifecycleModes) == 0 {
		spec.VolumeLifecycleModes = []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecyclePersistent}
	}
}

// prepareCSIDriver counts the changes of the spec from 0, as upstream does; other kinds start with 1.
func prepareCSIDriver(d, old *storagev1.CSIDriver) {
	if old != nil && !equality.Semantic.DeepEqual(d.Spec, old.Spec) {
		d.Generation = old.Generation + 1
	}
}

func validateCSIDriver(d, old *storagev1.CSIDriver) field.ErrorList {
	path, spec := field.NewPath("spec"), &d.Spec
	var errs field.ErrorList
	if policies := []storagev1.FSGroupPolicy{
		storagev1.FileFSGroupPolicy, storagev1.NoneFSGroupPolicy, storagev1.ReadWriteOnceWithFSTypeFSGroupPolicy,
	}; spec.FSGroupPolicy != nil && !slices.Contains(policies, *spec.FSGroupPolicy) {
		errs = append(errs, field.NotSupported(path.Child("fsGroupPolicy"), *spec.FSGroupPolicy, policies))
	}
	errs = append(errs, validateTokenRequests(path.Child("tokenRequests"), spec.TokenRequests)...)
	for _, mode := range spec.VolumeLifecycleModes {
		errs = append(errs, validation.Supported(path.Child("volumeLifecycleModes"), mode,
			storagev1.VolumeLifecyclePersistent, storagev1.VolumeLifecycleEphemeral)...)
	}
	if period := spec.NodeAllocatableUpdatePeriodSeconds; period != nil && *period < 10 {
		errs = append(errs, field.Invalid(path.Child("nodeAllocatableUpdatePeriodSeconds"), *period,
			"must be greater than or equal to 10 seconds"))
	}
	if spec.ServiceAccountTokenInSecrets != nil && len(spec.TokenRequests) == 0 {
		errs = append(errs, field.Invalid(path.Child("serviceAccountTokenInSecrets"), *spec.ServiceAccountTokenInSecrets,
			"serviceAccountTokenInSecrets is set but no tokenRequests are specified"))
	}
	if old != nil {
		// Upstream names the field so.
		errs = append(errs, validation.Immutable(path.Child("attachedRequired"), spec.AttachRequired, old.Spec.AttachRequired)...)
		errs = append(errs, validation.Immutable(path.Child("volumeLifecycleModes"), spec.VolumeLifecycleModes,
			old.Spec.VolumeLifecycleModes)...)
	}
	return errs
}

// warnCSIDriver warns of tokens that are passed on where they may be logged.
func warnCSIDriver(d, old *storagev1.CSIDriver) []string {
	tokens := d.Spec.TokenRequests
	if len(tokens) == 0 || d.Spec.ServiceAccountTokenInSecrets != nil ||
		old != nil && equality.Semantic.DeepEqual(tokens, old.Spec.TokenRequests) {
		return nil
	}
	return []string{"spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible " +
		"logging of tokens in volume attributes"}
}

// validateTokenRequests takes each audience once, with tokens that live for 10 minutes at least.
func validateTokenRequests(path *field.Path, requests []storagev1.TokenRequest) field.ErrorList {
	var errs field.ErrorList
	audiences := validation.Unique{}
	for i, r := range requests {
		if twice := audiences.Add(path.Index(i).Child("audience"), r.Audience); len(twice) > 0 {
			errs = append(errs, twice...)
			continue
		}
		at, seconds := path.Index(i).Child("expirationSeconds"), r.ExpirationSeconds
		switch {
		case seconds == nil:
		case *seconds < 10*60:
			errs = append(errs, field.Invalid(at, *seconds, "may not specify a duration less than 10 minutes"))
		case *seconds > 1<<32:
			errs = append(errs, field.Invalid(at, *seconds, "may not specify a duration larger than 2^32 seconds"))
		}
	}
	return errs
}

func csiDriverColumns() []metav1.TableColumnDefinition {
	doc := storagev1.CSIDriverSpec{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("AttachRequired", "boolean", 0, doc["attachRequired"]),
		printers.Column("PodInfoOnMount", "boolean", 0, doc["podInfoOnMount"]),
		printers.Column("StorageCapacity", "boolean", 0, doc["storageCapacity"]),
		printers.Column("TokenRequests", "string", 0, doc["tokenRequests"]),
		printers.Column("RequiresRepublish", "boolean", 0, doc["requiresRepublish"]),
		printers.Column("Modes", "string", 0, doc["volumeLifecycleModes"]),
		printers.AgeColumn(),
	}
}

func csiDriverCells(d *storagev1.CSIDriver, now time.Time) []any {
	tokens := printers.Unset
	var modes, audiences []string
	for _, mode := range d.Spec.VolumeLifecycleModes {
		modes = append(modes, string(mode))
	}
	for _, r := range d.Spec.TokenRequests {
		audiences = append(audiences, r.Audience)
	}
	if d.Spec.TokenRequests != nil {
		tokens = strings.Join(audiences, ",")
	}
	return []any{
		d.Name, ptr.Deref(d.Spec.AttachRequired, true), ptr.Deref(d.Spec.PodInfoOnMount, false),
		ptr.Deref(d.Spec.StorageCapacity, false), tokens, ptr.Deref(d.Spec.RequiresRepublish, false),
		printers.OrNone(strings.Join(modes, ",")), printers.Age(d.CreationTimestamp, now),
	}
}
