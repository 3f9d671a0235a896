package certificates

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/mail"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// maxChain is how large the certificates of a pod may be, in bytes.
const maxChain = 100 << 10

// validateIssued checks what a signer writes: a decision, once, and with it a certificate or nothing. Upstream asks besides that the
// certificate begins within five minutes, and that its writer may sign.
func validateIssued(r, old *certificatesv1.PodCertificateRequest) field.ErrorList {
	if errs := validateDecided(r.Status.Conditions); len(errs) > 0 {
		return errs
	}
	path := field.NewPath("status")
	same := func(a, b certificatesv1.PodCertificateRequestStatus, message string) field.ErrorList {
		if equality.Semantic.DeepEqual(a, b) {
			return nil
		}
		return field.ErrorList{field.Invalid(path, field.OmitValueType{}, message)}
	}
	if podRequestState(old) != "Pending" {
		return same(r.Status, old.Status, "immutable after PodCertificateRequest is issued, denied, or failed")
	}
	switch podRequestState(r) {
	case certificatesv1.PodCertificateRequestConditionTypeDenied, certificatesv1.PodCertificateRequestConditionTypeFailed:
		return same(r.Status, certificatesv1.PodCertificateRequestStatus{Conditions: r.Status.Conditions},
			"non-condition status fields must be empty when denying or failing the PodCertificateRequest")
	case certificatesv1.PodCertificateRequestConditionTypeIssued:
		return validateChain(path, r, old)
	}
	return same(r.Status, old.Status, `status is immutable unless transitioning to "Issued", "Denied", or "Failed"`)
}

// validateDecided takes one decision, which is one.
func validateDecided(conditions []metav1.Condition) field.ErrorList {
	path, types := field.NewPath("status", "conditions"), []string{certificatesv1.PodCertificateRequestConditionTypeIssued,
		certificatesv1.PodCertificateRequestConditionTypeDenied, certificatesv1.PodCertificateRequestConditionTypeFailed}
	var errs field.ErrorList
	known := 0
	for i, c := range conditions {
		at := path.Child(fmt.Sprintf("[%d]", i)) // as upstream spells it
		if wrong := validation.Supported(at.Child("type"), c.Type, types...); len(wrong) > 0 {
			errs = append(errs, wrong...)
			continue
		}
		if known++; known > 1 {
			errs = append(errs, field.Invalid(at.Child("type"), c.Type, `There may be at most one condition with type "Issued", "Denied", or "Failed"`))
		}
		errs = append(errs, validation.Supported(at.Child("status"), c.Status, metav1.ConditionTrue)...)
	}
	return append(errs, metav1validation.ValidateConditions(conditions, path)...)
}

// validateChain checks the certificate that is issued: that it is for the key of the request, and for how long the status says. The first
// mistake of a kind is told alone.
func validateChain(path *field.Path, r, old *certificatesv1.PodCertificateRequest) field.ErrorList {
	at, chain := path.Child("certificateChain"), r.Status.CertificateChain
	wrong := func(message string) field.ErrorList { return field.ErrorList{field.Invalid(at, chain, message)} }
	if len(chain) > maxChain {
		return field.ErrorList{field.TooLong(at, "", maxChain)}
	}
	block, rest := pem.Decode([]byte(chain))
	switch {
	case block == nil:
		return wrong("issued certificate chain must contain at least one certificate")
	case block.Type != "CERTIFICATE":
		return wrong("issued certificate chain must consist entirely of CERTIFICATE PEM blocks")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return wrong("leaf certificate does not parse as valid X.509")
	}
	errs := validateSubjects(at, leaf)
	if key, ok := requestedKey(&old.Spec).(interface{ Equal(crypto.PublicKey) bool }); !ok || !key.Equal(leaf.PublicKey) {
		return append(errs, wrong("leaf certificate was not issued to the requested public key")...)
	}
	if late := validateTimes(path, r, leaf); len(errs) > 0 || len(late) > 0 {
		return append(errs, late...)
	}
	for block, rest = pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return wrong("issued certificate chain must consist entirely of CERTFICATE PEM blocks") // upstream's spelling
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return wrong("intermediate certificate does not parse as valid X.509")
		}
	}
	return nil
}

func validateSubjects(path *field.Path, leaf *x509.Certificate) field.ErrorList {
	var errs field.ErrorList
	for _, name := range leaf.DNSNames {
		if name == "" {
			errs = append(errs, field.Invalid(path, name, "leaf certificate should not contain empty DNSName"))
		}
		if strings.Contains(name, "..") {
			errs = append(errs, field.Invalid(path, name, "leaf certificate's DNSName should not contain '..'"))
		}
		if strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") {
			errs = append(errs, field.Invalid(path, name, "leaf certificate's DNSName should not start or end with '.'"))
		}
	}
	for _, address := range leaf.EmailAddresses {
		if _, err := mail.ParseAddress(address); err != nil {
			errs = append(errs, field.Invalid(path, address, "leaf certificate should not contain invalid EmailAddress"))
		}
	}
	return errs
}

// requestedKey is the key that the certificate was asked for, which was checked when it was asked for.
func requestedKey(spec *certificatesv1.PodCertificateRequestSpec) crypto.PublicKey {
	request, err := x509.ParseCertificateRequest(spec.StubPKCS10Request)
	if err != nil {
		return nil
	}
	return request.PublicKey
}

// validateTimes holds the status to the times of the certificate, and both to what was asked for.
func validateTimes(path *field.Path, r *certificatesv1.PodCertificateRequest, leaf *x509.Certificate) field.ErrorList {
	var errs field.ErrorList
	const consistent = "must be present and consistent with the issued certificate"
	begin, end, refresh := r.Status.NotBefore, r.Status.NotAfter, r.Status.BeginRefreshAt
	if begin == nil {
		errs = append(errs, field.Required(path.Child("notBefore"), consistent))
	}
	if end == nil {
		errs = append(errs, field.Required(path.Child("notAfter"), consistent))
	}
	if refresh == nil {
		errs = append(errs, field.Required(path.Child("beginRefreshAt"), "must be present and in the range [notbefore+10min, notafter-10min]"))
	}
	if len(errs) > 0 {
		return errs
	}
	lifetime, longest := leaf.NotAfter.Sub(leaf.NotBefore), time.Duration(*r.Spec.MaxExpirationSeconds)*time.Second
	one := func(name string, value any, message string) field.ErrorList {
		return field.ErrorList{field.Invalid(path.Child(name), value, message)}
	}
	const margin = 10 * time.Minute
	switch {
	case !begin.Time.Equal(leaf.NotBefore):
		return one("notBefore", begin.Time, "must be set to the NotBefore time encoded in the leaf certificate")
	case !end.Time.Equal(leaf.NotAfter):
		return one("notAfter", end.Time, "must be set to the NotAfter time encoded in the leaf certificate")
	case lifetime < time.Hour:
		return one("certificateChain", lifetime, "leaf certificate lifetime must be >= 1 hour")
	case lifetime > longest:
		return one("certificateChain", lifetime,
			fmt.Sprintf("leaf certificate lifetime must be <= spec.maxExpirationSeconds (%v)", *r.Spec.MaxExpirationSeconds))
	case refresh.Time.Before(begin.Add(margin)):
		return one("beginRefreshAt", refresh.Time, "must be at least 10 minutes after status.notBefore")
	case refresh.Time.After(end.Add(-margin)):
		return one("beginRefreshAt", refresh.Time, "must be at least 10 minutes before status.notAfter")
	}
	return nil
}
