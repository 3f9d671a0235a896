package certificates

import (
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

func certificateSigningRequests() *resources.Resource {
	return &resources.Resource{
		Kind:          certificatesv1.SchemeGroupVersion.WithKind("CertificateSigningRequest"),
		Plural:        "certificatesigningrequests",
		ShortNames:    []string{"csr"},
		ClusterScoped: true,
		New:           func() resources.Object { return &certificatesv1.CertificateSigningRequest{} },
		NewList:       func() runtime.Object { return &certificatesv1.CertificateSigningRequestList{} },
		Idle:          "no controller signs it once it is approved, or removes it when it is old",
		Subresources:  []resources.Subresource{approval(), resources.Status(applySigned, validateSigned, "status.conditions").WithMeta(resources.WholeMeta)},
		Prepare:       resources.Pair(prepareCertificateRequest),
		Stamp:         resources.Stamp(stampCertificateRequest),
		Validate:      resources.Check(validateCertificateRequest),
		Name:          func(string, bool) []string { return nil }, // any name will do, as upstream
		Fields: resources.Of(func(r *certificatesv1.CertificateSigningRequest) fields.Set {
			return fields.Set{"spec.signerName": r.Spec.SignerName}
		}),
		Columns: certificateRequestColumns(),
		Cells:   resources.Cells(certificateRequestCells),
	}
}

// prepareCertificateRequest keeps what was asked for: what is approved is what is signed.
func prepareCertificateRequest(r, old *certificatesv1.CertificateSigningRequest) {
	if old != nil {
		r.Spec = *old.Spec.DeepCopy()
		return
	}
	r.Status = certificatesv1.CertificateSigningRequestStatus{}
}

// stampCertificateRequest notes who asks, whatever they say of it, and when conditions were written and changed, unless
// their writer says so.
func stampCertificateRequest(r, old *certificatesv1.CertificateSigningRequest, w resources.Write) {
	if old == nil {
		r.Spec.Username, r.Spec.UID, r.Spec.Groups, r.Spec.Extra = w.User.Name, w.User.UID, w.User.Groups, nil
		for key, values := range w.User.Extra {
			if r.Spec.Extra == nil {
				r.Spec.Extra = map[string]certificatesv1.ExtraValue{}
			}
			r.Spec.Extra[key] = values
		}
		return
	}
	for i := range r.Status.Conditions {
		c := &r.Status.Conditions[i]
		if c.LastUpdateTime.IsZero() {
			c.LastUpdateTime = w.Now
		}
		if !c.LastTransitionTime.IsZero() {
			continue
		}
		c.LastTransitionTime = w.Now
		for _, was := range old.Status.Conditions {
			if was.Type == c.Type && was.Status == c.Status && !was.LastTransitionTime.IsZero() {
				c.LastTransitionTime = was.LastTransitionTime
			}
		}
	}
}

// decided are the conditions that approval writes, and nothing else.
func decided(t certificatesv1.RequestConditionType) bool {
	return t == certificatesv1.CertificateApproved || t == certificatesv1.CertificateDenied
}

// applySigned writes what a signer says: the certificate and its conditions. The decision stays.
func applySigned(r, body *certificatesv1.CertificateSigningRequest) {
	kept := r.Status.Conditions
	r.Status = body.Status
	r.Status.Conditions = withDecision(kept, body.Status.Conditions)
}

// withDecision are the written conditions, with the decision as it was. One that the writer adds stays, for validation
// to refuse.
func withDecision(kept, written []certificatesv1.CertificateSigningRequestCondition,
) []certificatesv1.CertificateSigningRequestCondition {
	var out []certificatesv1.CertificateSigningRequestCondition
	there := map[certificatesv1.RequestConditionType]bool{}
	for _, c := range kept {
		if decided(c.Type) {
			out, there[c.Type] = append(out, c), true
		}
	}
	for _, c := range written {
		if !there[c.Type] || !decided(c.Type) {
			out = append(out, c)
		}
	}
	return out
}

// approval is the subresource of those who decide: it writes the conditions and nothing else.
func approval() resources.Subresource {
	return resources.PartOf("approval", []string{"spec", "status.certificate"}, func(obj, body *certificatesv1.CertificateSigningRequest) {
		obj.Status.Conditions = body.Status.Conditions
	}, validateDecision).WithMeta(resources.WholeMeta)
}

func certificateRequestColumns() []metav1.TableColumnDefinition {
	spec := certificatesv1beta1.CertificateSigningRequestSpec{}.SwaggerDoc() // the version that upstream's table was made for
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.AgeColumn(),
		printers.Column("SignerName", "string", 0, spec["signerName"]),
		printers.Column("Requestor", "string", 0, spec["request"]),
		printers.Column("RequestedDuration", "string", 0, spec["expirationSeconds"]),
		printers.Column("Condition", "string", 0, certificatesv1beta1.CertificateSigningRequestStatus{}.SwaggerDoc()["conditions"]),
	}
}

func certificateRequestCells(r *certificatesv1.CertificateSigningRequest, now time.Time) []any {
	lasts := printers.None
	if seconds := r.Spec.ExpirationSeconds; seconds != nil {
		lasts = duration.HumanDuration(time.Duration(*seconds) * time.Second)
	}
	return []any{r.Name, printers.Age(r.CreationTimestamp, now), printers.OrNone(r.Spec.SignerName), r.Spec.Username, lasts, decision(r)}
}

// decision is how far the request has got: "Approved,Issued".
func decision(r *certificatesv1.CertificateSigningRequest) string {
	has := map[certificatesv1.RequestConditionType]bool{}
	for _, c := range r.Status.Conditions {
		has[c.Type] = true
	}
	state := "Pending"
	switch {
	case has[certificatesv1.CertificateDenied]:
		state = "Denied"
	case has[certificatesv1.CertificateApproved]:
		state = "Approved"
	}
	if has[certificatesv1.CertificateFailed] {
		state += ",Failed"
	}
	if len(r.Status.Certificate) > 0 {
		state += ",Issued"
	}
	return state
}
