package volumes

import (
	"encoding/pem"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/ptr"
)

// anchor is a certificate in PEM of which only the text matters.
func anchor(text string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(text)}))
}

func bundle(name, signer, trusted string, labels map[string]string) *certificatesv1.ClusterTrustBundle {
	return &certificatesv1.ClusterTrustBundle{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: certificatesv1.ClusterTrustBundleSpec{SignerName: signer, TrustBundle: trusted}}
}

// trusting is a pod that mounts the authorities.
func trusting(p corev1.ClusterTrustBundleProjection) *corev1.Pod {
	p.Path = "ca.pem"
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", UID: "u1"}, Spec: corev1.PodSpec{Volumes: []corev1.Volume{{
		Name: "ca", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ClusterTrustBundle: &p}}}}}}}}
}

// https://kubernetes.io/docs/concepts/storage/projected-volumes/#clustertrustbundle
func TestTrustedAuthorities(t *testing.T) {
	live := map[string]string{"stage": "live"}
	client := fake.NewClientset(
		bundle("corporate", "", "passed over\n"+anchor("b")+"and this\n"+anchor("a")+anchor("b"), nil),
		bundle("example.com:signer:one", "example.com/signer", anchor("c")+anchor("a"), live),
		bundle("example.com:signer:two", "example.com/signer", anchor("c")+anchor("b"), live),
		bundle("example.com:signer:old", "example.com/signer", anchor("old"), nil))
	named, signer := ptr.To("corporate"), ptr.To("example.com/signer")
	unknown := corev1.ClusterTrustBundleProjection{SignerName: ptr.To("a.b/c"),
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"x": "y"}}}
	maybe := unknown
	maybe.Optional = ptr.To(true)
	const none = "combination of signerName and labelSelector matched zero ClusterTrustBundles"
	for name, test := range map[string]struct {
		source corev1.ClusterTrustBundleProjection
		want   string
		fails  string
	}{
		"of one object, each once": {corev1.ClusterTrustBundleProjection{Name: named}, anchor("a") + anchor("b"), ""},
		"of a signer's with the label": {corev1.ClusterTrustBundleProjection{SignerName: signer,
			LabelSelector: &metav1.LabelSelector{MatchLabels: live}}, anchor("a") + anchor("b") + anchor("c"), ""},
		"of one that is missing": {corev1.ClusterTrustBundleProjection{Name: ptr.To("gone")}, "",
			`while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "gone" not found`},
		"of one that may be missing":         {corev1.ClusterTrustBundleProjection{Name: ptr.To("gone"), Optional: ptr.To(true)}, "", ""},
		"of a signer that nobody knows":      {unknown, "", none},
		"of a signer, none of whose must be": {maybe, "", ""},
		"of a signer without a selector":     {corev1.ClusterTrustBundleProjection{SignerName: signer}, "", none},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{Pod: trusting(test.source), TrustBundles: NewTrustBundles(t.Context(), client)}
			_, files, err := in.files(&in.Pod.Spec.Volumes[0])
			if test.fails != "" {
				require.EqualError(t, err, test.fails)
				return
			}
			require.NoError(t, err)
			require.Len(t, files, 1)
			require.Equal(t, int32(0o644), files[0].mode)
			require.Equal(t, test.want, string(files[0].data))
		})
	}
	_, err := NewTrustBundles(t.Context(), client).Of("example.com/signer", labels.Everything())
	require.NoError(t, err)
	asked := client.Actions()[len(client.Actions())-1].(interface{ GetListOptions() metav1.ListOptions })
	require.Equal(t, "spec.signerName=example.com/signer", asked.GetListOptions().FieldSelector)
}

// A file that belongs to the pod's group is for nobody else.
func TestAuthoritiesOfAGroup(t *testing.T) {
	in := Input{Pod: trusting(corev1.ClusterTrustBundleProjection{Name: ptr.To("x"), Optional: ptr.To(true)}),
		TrustBundles: NewTrustBundles(t.Context(), fake.NewClientset())}
	in.Pod.Spec.SecurityContext = &corev1.PodSecurityContext{FSGroup: ptr.To[int64](7)}
	_, files, err := in.files(&in.Pod.Spec.Volumes[0])
	require.NoError(t, err)
	require.Equal(t, int32(0o600), files[0].mode)
}

// A bundle of the signer that comes later is told of, and the watch asks for those of the signer alone.
func TestTheBundlesOfASignerAreFollowed(t *testing.T) {
	client := fake.NewClientset()
	var work sync.WaitGroup
	told := make(chan types.UID, 100)
	w := NewWatcher(client, &work, func(uid types.UID, _ string) { told <- uid })
	pod := trusting(corev1.ClusterTrustBundleProjection{SignerName: ptr.To("example.com/signer"),
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"stage": "live"}}})
	require.Equal(t, []source{{resource: clusterTrustBundles, signer: "example.com/signer", labels: "stage=live"}}, sourcesOf(pod))
	w.Follow(t.Context(), pod)
	bundles := client.CertificatesV1().ClusterTrustBundles()
	require.Eventually(t, func() bool { // the client without a server loses what changes before the watch has begun
		_ = bundles.Delete(t.Context(), "example.com:signer:one", metav1.DeleteOptions{})
		_, err := bundles.Create(t.Context(), bundle("example.com:signer:one", "example.com/signer", anchor("a"),
			map[string]string{"stage": "live"}), metav1.CreateOptions{})
		require.NoError(t, err)
		select {
		case uid := <-told:
			return uid == "u1"
		default:
			return false
		}
	}, 20*time.Second, time.Millisecond)
	for _, action := range client.Actions() {
		if options, ok := action.(interface {
			GetListOptions() metav1.ListOptions
		}); ok && action.GetVerb() == "list" {
			require.Equal(t, "spec.signerName=example.com/signer", options.GetListOptions().FieldSelector)
			require.Equal(t, "stage=live", options.GetListOptions().LabelSelector)
		}
	}
	w.Forget("u1")
	require.True(t, over(&work))
}
