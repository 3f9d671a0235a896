package certificates

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// What a request for a pod's certificate may hold at most, in bytes, and how long it may be for, in seconds. Kubernetes' own signers
// give a day at most.
const (
	maxRequestPart        = 10 << 10
	maxUID                = 128
	shortestPodRequest    = 60 * 60
	longestPodRequest     = 91 * 24 * 60 * 60
	longestOwnCertificate = 24 * 60 * 60
)

func validatePodRequest(r *certificatesv1.PodCertificateRequest) field.ErrorList {
	path, spec := field.NewPath("spec"), &r.Spec
	errs := validation.SignerName(path.Child("signerName"), spec.SignerName)
	errs = append(errs, userAnnotations(path.Child("unverifiedUserAnnotations"), spec.UnverifiedUserAnnotations)...)
	errs = append(errs, validation.DNSSubdomain(path.Child("podName"), spec.PodName)...)
	errs = append(errs, validation.DNSSubdomain(path.Child("serviceAccountName"), spec.ServiceAccountName)...)
	errs = append(errs, validation.Invalid(path.Child("nodeName"), spec.NodeName, utilvalidation.IsDNS1123Subdomain(string(spec.NodeName)))...)
	for _, uid := range []struct{ name, value string }{
		{"podUID", string(spec.PodUID)}, {"serviceAccountUID", string(spec.ServiceAccountUID)}, {"nodeUID", string(spec.NodeUID)},
	} {
		if uid.value == "" {
			errs = append(errs, field.Invalid(path.Child(uid.name), uid.value, "must not be empty"))
		}
		if len(uid.value) > maxUID {
			errs = append(errs, field.TooLong(path.Child(uid.name), "", maxUID))
		}
	}
	seconds, longest := spec.MaxExpirationSeconds, int32(longestPodRequest)
	if domain, _, _ := strings.Cut(spec.SignerName, "/"); domain == "kubernetes.io" || strings.HasSuffix(domain, ".kubernetes.io") {
		longest = longestOwnCertificate
	}
	if seconds == nil { // Default has set it
		return append(errs, field.Required(path.Child("maxExpirationSeconds"), "must be set"))
	}
	if *seconds < shortestPodRequest || *seconds > longest {
		errs = append(errs, field.Invalid(path.Child("maxExpirationSeconds"), *seconds,
			fmt.Sprintf("must be in the range [%d, %d]", shortestPodRequest, longest)))
	}
	return append(errs, validateStub(path, spec.StubPKCS10Request)...)
}

func userAnnotations(path *field.Path, annotations map[string]string) field.ErrorList {
	var errs field.ErrorList
	for _, key := range validation.SortedKeys(annotations) {
		errs = append(errs, utilvalidation.IsDomainPrefixedKey(path, strings.ToLower(key))...)
	}
	if apivalidation.ValidateAnnotationsSize(annotations) != nil {
		errs = append(errs, field.TooLong(path, "", apivalidation.TotalAnnotationSizeLimitB))
	}
	return errs
}

// validateStub takes the pod's key as a request that is signed with it; what else the request says is not looked at.
func validateStub(spec *field.Path, text []byte) field.ErrorList {
	path := spec.Child("stubPKCS10Request")
	if len(text) == 0 { // v1 has the first of the two that upstream names here
		return field.ErrorList{field.Invalid(spec, field.OmitValueType{},
			"exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set")}
	}
	if len(text) > maxRequestPart {
		return field.ErrorList{field.TooLong(path, "", maxRequestPart)}
	}
	request, err := x509.ParseCertificateRequest(text)
	if err != nil {
		return field.ErrorList{field.Invalid(path, field.OmitValueType{}, "must be a valid PKCS#10 CSR")}
	}
	if is, wrong := wrongKey(request.PublicKey); wrong != "" {
		return field.ErrorList{field.Invalid(path, is, wrong)}
	}
	if request.CheckSignature() != nil {
		return field.ErrorList{field.Invalid(path, field.OmitValueType{}, "invalid signature")}
	}
	return nil
}

// wrongKey says what the key is, and what kinds of keys there may be instead; empty is a good one.
func wrongKey(key crypto.PublicKey) (is any, wrong string) {
	switch key := key.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() && key.Curve != elliptic.P521() {
			return "curve " + key.Params().Name, "elliptic public keys must use curve P256, P384, or P521"
		}
	case *rsa.PublicKey:
		if bits := key.Size() * 8; bits != 3072 && bits != 4096 {
			return fmt.Sprintf("%d-bit modulus", bits), "RSA keys must have modulus size 3072 or 4096"
		}
	default:
		return field.OmitValueType{}, "unknown public key type; supported types are Ed25519, ECDSA, and RSA"
	}
	return nil, ""
}
