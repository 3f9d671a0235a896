package apiserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"

	"github.com/stretchr/testify/require"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// The server notes who asks for a certificate, whatever the request says, and when it was decided
// (https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/).
func TestCertificateRequestIsStamped(t *testing.T) {
	ts := start(t)
	config := rest.CopyConfig(ts.config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "jane", UID: "7", Groups: []string{"system:masters"}, Extra: map[string][]string{"team": {"shop"}},
	}
	jane, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	requests := jane.CertificatesV1().CertificateSigningRequests()
	asked, err := requests.Create(t.Context(), &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "jane"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: certificateRequest(t, "developers"), SignerName: "example.com/mine", Usages: []certificatesv1.KeyUsage{"client auth"},
			Username: "admin", UID: "1", Groups: []string{"admins"},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, "jane", asked.Spec.Username)
	require.Equal(t, "7", asked.Spec.UID)
	require.Equal(t, []string{"system:masters", "system:authenticated"}, asked.Spec.Groups)
	require.Equal(t, map[string]certificatesv1.ExtraValue{"team": {"shop"}}, asked.Spec.Extra)

	// What a later write says of it is not taken: neither another name, nor a decision.
	changed := asked.DeepCopy()
	changed.Spec.Username = "admin"
	approved := certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue,
	}
	changed.Status.Conditions = append(changed.Status.Conditions, approved)
	kept, err := requests.Update(t.Context(), changed, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Equal(t, asked.Spec, kept.Spec)
	require.Empty(t, kept.Status.Conditions)
	_, err = requests.UpdateStatus(t.Context(), changed, metav1.UpdateOptions{})
	require.True(t, apierrors.IsInvalid(err))
	require.ErrorContains(t, err, `updates may not add a condition of type "Approved"`)

	decided, err := requests.UpdateApproval(t.Context(), "jane", changed, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Len(t, decided.Status.Conditions, 1)
	require.False(t, decided.Status.Conditions[0].LastUpdateTime.IsZero())
	require.False(t, decided.Status.Conditions[0].LastTransitionTime.IsZero())

	// The signer's status leaves the decision as it is.
	failed := decided.DeepCopy()
	failed.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{
		{Type: certificatesv1.CertificateFailed, Status: corev1.ConditionTrue},
	}
	signed, err := requests.UpdateStatus(t.Context(), failed, metav1.UpdateOptions{})
	require.NoError(t, err)
	require.Len(t, signed.Status.Conditions, 2)
	require.Equal(t, decided.Status.Conditions[0], signed.Status.Conditions[0])
}

// Nobody asks for a certificate of those who may do everything.
func TestCertificateSubjectRestriction(t *testing.T) {
	ts := start(t)
	request := &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "root"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request:    certificateRequest(t, "developers", "system:masters"),
			SignerName: certificatesv1.KubeAPIServerClientSignerName, Usages: []certificatesv1.KeyUsage{"client auth"},
		},
	}
	requests := ts.client.CertificatesV1().CertificateSigningRequests()
	_, err := requests.Create(t.Context(), request, metav1.CreateOptions{})
	require.True(t, apierrors.IsForbidden(err))
	require.ErrorContains(t, err, "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed")
	request.Spec.SignerName = "example.com/mine"
	_, err = requests.Create(t.Context(), request, metav1.CreateOptions{})
	require.NoError(t, err, "another signer knows itself whom it signs for")
}

func certificateRequest(t *testing.T, groups ...string) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader,
		&x509.CertificateRequest{Subject: pkix.Name{CommonName: "jane", Organization: groups}}, key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}
