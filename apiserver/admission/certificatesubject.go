package admission

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"minik.dev/apiserver/auth"
)

// validateCertificateSubject refuses requests for a client certificate of the group that may do everything: upstream's
// CertificateSubjectRestriction. What is no request at all is validation's to refuse.
func validateCertificateSubject(_ context.Context, r *Request) error {
	if r.Verb != "create" || r.Row.Kind.Group != "certificates.k8s.io" || r.Row.Plural != "certificatesigningrequests" {
		return nil
	}
	request := r.Object.(*certificatesv1.CertificateSigningRequest)
	if request.Spec.SignerName != certificatesv1.KubeAPIServerClientSignerName {
		return nil
	}
	block, _ := pem.Decode(request.Spec.Request)
	if block == nil {
		return nil
	}
	parsed, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || !slices.Contains(parsed.Subject.Organization, auth.Masters) {
		return nil
	}
	return apierrors.NewForbidden(r.Row.GroupResource(), request.Name,
		fmt.Errorf("use of %s signer with %s group is not allowed", request.Spec.SignerName, auth.Masters))
}
