package certificates

import (
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func podCertificateRequests() *resources.Resource {
	return &resources.Resource{
		Kind:        certificatesv1.SchemeGroupVersion.WithKind("PodCertificateRequest"),
		Plural:      "podcertificaterequests",
		NameOnce:    true,
		Conditional: true,
		New:         func() resources.Object { return &certificatesv1.PodCertificateRequest{} },
		NewList:     func() runtime.Object { return &certificatesv1.PodCertificateRequestList{} },
		Subresources: []resources.Subresource{
			resources.Status(func(r, body *certificatesv1.PodCertificateRequest) { r.Status = body.Status }, validateIssued, "metadata"),
		},
		Default: resources.Each(func(r *certificatesv1.PodCertificateRequest) {
			if r.Spec.MaxExpirationSeconds == nil {
				r.Spec.MaxExpirationSeconds = ptr.To[int32](longestOwnCertificate)
			}
		}),
		Idle: "no node asks for one for its pods, and nobody signs it",
		Validate: resources.Check(func(r, old *certificatesv1.PodCertificateRequest) field.ErrorList {
			if old != nil {
				return validation.Immutable(field.NewPath("spec"), r.Spec, old.Spec)
			}
			return validatePodRequest(r)
		}),
		Fields: resources.Of(func(r *certificatesv1.PodCertificateRequest) fields.Set {
			return fields.Set{"spec.signerName": r.Spec.SignerName, "spec.podName": r.Spec.PodName, "spec.nodeName": string(r.Spec.NodeName)}
		}),
		Columns: podRequestColumns(),
		Cells: resources.Cells(func(r *certificatesv1.PodCertificateRequest, _ time.Time) []any {
			return []any{r.Name, r.Spec.PodName, r.Spec.ServiceAccountName, string(r.Spec.NodeName), r.Spec.SignerName, podRequestState(r),
				labels.FormatLabels(r.Spec.UnverifiedUserAnnotations)}
		}),
	}
}

func podRequestColumns() []metav1.TableColumnDefinition {
	spec := certificatesv1.PodCertificateRequestSpec{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("PodName", "string", 0, spec["podName"]),
		printers.Column("ServiceAccountName", "string", 0, spec["serviceAccountName"]),
		printers.Column("NodeName", "string", 0, spec["nodeName"]),
		printers.Column("SignerName", "string", 0, spec["signerName"]),
		printers.Column("State", "string", 0, "Is the request Pending, Issued, Denied, or Failed?"),
		printers.Column("UnverifiedUserAnnotations", "string", 0, spec["unverifiedUserAnnotations"]),
	}
}

// podRequestState is what has become of the request; the last condition that says so decides.
func podRequestState(r *certificatesv1.PodCertificateRequest) string {
	state := "Pending"
	for _, c := range r.Status.Conditions {
		switch c.Type {
		case certificatesv1.PodCertificateRequestConditionTypeIssued, certificatesv1.PodCertificateRequestConditionTypeDenied,
			certificatesv1.PodCertificateRequestConditionTypeFailed:
			state = c.Type
		}
	}
	return state
}
