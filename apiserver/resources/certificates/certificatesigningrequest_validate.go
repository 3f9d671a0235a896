package certificates

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/diff"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// keyUsages are what a certificate may be asked for, sorted as upstream names them.
var keyUsages = []certificatesv1.KeyUsage{
	certificatesv1.UsageAny, certificatesv1.UsageCertSign, certificatesv1.UsageClientAuth, certificatesv1.UsageCodeSigning,
	certificatesv1.UsageContentCommitment, certificatesv1.UsageCRLSign, certificatesv1.UsageDataEncipherment,
	certificatesv1.UsageDecipherOnly, certificatesv1.UsageDigitalSignature, certificatesv1.UsageEmailProtection,
	certificatesv1.UsageEncipherOnly, certificatesv1.UsageIPsecEndSystem, certificatesv1.UsageIPsecTunnel,
	certificatesv1.UsageIPsecUser, certificatesv1.UsageKeyAgreement, certificatesv1.UsageKeyEncipherment,
	certificatesv1.UsageMicrosoftSGC, certificatesv1.UsageNetscapeSGC, certificatesv1.UsageOCSPSigning,
	certificatesv1.UsageSMIME, certificatesv1.UsageServerAuth, certificatesv1.UsageSigning,
	certificatesv1.UsageTimestamping,
}

// shortestCertificate is how long a certificate has to be asked for at least, in seconds.
const shortestCertificate = 600

// legacySigner is the signer of v1beta1, which v1 never had.
const legacySigner = "kubernetes.io/legacy-unknown"

// validateCertificateRequest checks writes of the object itself, which touch neither the decision nor the certificate.
func validateCertificateRequest(r, old *certificatesv1.CertificateSigningRequest) field.ErrorList {
	errs := validateRequest(r)
	if old != nil {
		errs = append(errs, validateRequestStatus(r, old, false, false)...)
	}
	return errs
}

// validateSigned checks what a signer writes.
func validateSigned(r, old *certificatesv1.CertificateSigningRequest) field.ErrorList {
	return validateRequestStatus(r, old, false, true)
}

// validateDecision checks what an approver writes.
func validateDecision(r, old *certificatesv1.CertificateSigningRequest) field.ErrorList {
	return validateRequestStatus(r, old, true, false)
}

func validateRequest(r *certificatesv1.CertificateSigningRequest) field.ErrorList {
	path, spec := field.NewPath("spec"), &r.Spec
	var errs field.ErrorList
	if err := wellFormed(spec.Request); err != nil {
		errs = append(errs, field.Invalid(path.Child("request"), spec.Request, err.Error()))
	}
	if len(spec.Usages) == 0 {
		errs = append(errs, field.Required(path.Child("usages"), ""))
	}
	seen := validation.Unique{}
	for i, usage := range spec.Usages {
		at := path.Child("usages").Index(i)
		if !slices.Contains(keyUsages, usage) {
			errs = append(errs, field.NotSupported(at, usage, keyUsages))
		}
		errs = append(errs, seen.Add(at, string(usage))...)
	}
	if spec.SignerName == legacySigner {
		errs = append(errs, field.Invalid(path.Child("signerName"), spec.SignerName,
			"the legacy signerName is not allowed via this API version"))
	} else {
		errs = append(errs, validation.SignerName(path.Child("signerName"), spec.SignerName)...)
	}
	if seconds := spec.ExpirationSeconds; seconds != nil && *seconds < shortestCertificate {
		errs = append(errs, field.Invalid(path.Child("expirationSeconds"), *seconds,
			"may not specify a duration less than 600 seconds (10 minutes)"))
	}
	return errs
}

// wellFormed takes a PKCS#10 request in PEM that is signed with the key that it is for.
func wellFormed(request []byte) error {
	block, _ := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return errors.New("PEM block type must be CERTIFICATE REQUEST")
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return err //nolint:wrapcheck // upstream's answer is the library's
	}
	return parsed.CheckSignature() //nolint:wrapcheck // as above
}

// validateRequestStatus checks the conditions and the certificate, and that nobody writes what is another's to write: decides
// is set for the approval, signs for the status.
func validateRequestStatus(r, old *certificatesv1.CertificateSigningRequest, decides, signs bool) field.ErrorList {
	conditions, certificate := field.NewPath("status", "conditions"), field.NewPath("status", "certificate")
	errs := validateRequestConditions(conditions, r.Status.Conditions)
	same := bytes.Equal(r.Status.Certificate, old.Status.Certificate)
	if err := certificates(r.Status.Certificate); err != nil && !same {
		errs = append(errs, field.Invalid(certificate, "<certificate data>", err.Error()))
	}
	for _, t := range []certificatesv1.RequestConditionType{
		certificatesv1.CertificateApproved, certificatesv1.CertificateDenied, certificatesv1.CertificateFailed,
	} {
		is, was := conditionsOf(r, t), conditionsOf(old, t)
		switch {
		case len(is) < len(was):
			errs = append(errs, field.Forbidden(conditions,
				fmt.Sprintf("updates may not remove a condition of type %q", t)))
		case decides || !decided(t):
		case len(is) > len(was):
			errs = append(errs, field.Forbidden(conditions, fmt.Sprintf("updates may not add a condition of type %q", t)))
		case !equality.Semantic.DeepEqual(is, was):
			errs = append(errs, field.Forbidden(conditions,
				fmt.Sprintf("updates may not modify a condition of type %q\n%v", t, diff.Diff(was, is))))
		}
	}
	switch {
	case same:
	case !signs:
		errs = append(errs, field.Forbidden(certificate, "updates may not set certificate content"))
	case len(old.Status.Certificate) > 0:
		errs = append(errs, field.Forbidden(certificate, "updates may not modify existing certificate content"))
	}
	return errs
}

func conditionsOf(r *certificatesv1.CertificateSigningRequest,
	t certificatesv1.RequestConditionType) []certificatesv1.CertificateSigningRequestCondition {
	var out []certificatesv1.CertificateSigningRequestCondition
	for _, c := range r.Status.Conditions {
		if c.Type == t {
			out = append(out, c)
		}
	}
	return out
}

// validateRequestConditions takes each condition once, and a decision that is one.
func validateRequestConditions(path *field.Path,
	conditions []certificatesv1.CertificateSigningRequestCondition) field.ErrorList {
	var errs field.ErrorList
	seen := validation.Unique{}
	for i, c := range conditions {
		at := path.Index(i)
		errs = append(errs, validation.Required(at.Child("type"), string(c.Type))...)
		values := []corev1.ConditionStatus{corev1.ConditionFalse, corev1.ConditionTrue, corev1.ConditionUnknown}
		if decided(c.Type) || c.Type == certificatesv1.CertificateFailed {
			values = []corev1.ConditionStatus{corev1.ConditionTrue}
		}
		errs = append(errs, validation.OneOf(at.Child("status"), c.Status, values...)...)
		if seen[string(c.Type)] {
			errs = append(errs, field.Duplicate(at.Child("type"), c.Type))
		}
		seen[string(c.Type)] = true
	}
	if seen[string(certificatesv1.CertificateApproved)] && seen[string(certificatesv1.CertificateDenied)] {
		const approved, denied = `conditions[{"type": "Approved"}]`, `conditions[{"type": "Denied"}]`
		errs = append(errs, field.Invalid(path, "{"+approved+", "+denied+"}", "must specify at most one of: `"+approved+"`, `"+denied+"`"))
	}
	return errs
}

// certificates takes certificates in PEM, one at least, or nothing at all.
func certificates(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	blocks := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type != "CERTIFICATE":
			return fmt.Errorf("only CERTIFICATE PEM blocks are allowed, found %q", block.Type)
		case len(block.Headers) > 0:
			return errors.New("no PEM block headers are permitted")
		}
		found, err := x509.ParseCertificates(block.Bytes)
		if err != nil {
			return err //nolint:wrapcheck // upstream's answer is the library's
		}
		if len(found) == 0 {
			return errors.New("found CERTIFICATE PEM block containing 0 certificates")
		}
		blocks++
	}
	if blocks == 0 {
		return errors.New("must contain at least one CERTIFICATE PEM block")
	}
	return nil
}
