package volumes

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// clusterTrustBundle is a file of the authorities that are to be trusted: those of one object, or of all objects of a signer.
// https://kubernetes.io/docs/concepts/storage/projected-volumes/#clustertrustbundle
var clusterTrustBundle = projection{
	name:    "clusterTrustBundle",
	has:     func(p *corev1.VolumeProjection) bool { return p.ClusterTrustBundle != nil },
	sources: func(p *corev1.VolumeProjection) []source { return bundleSources(p.ClusterTrustBundle) },
	files: func(in Input, p *corev1.VolumeProjection, mode int32) ([]file, error) {
		if security := in.Pod.Spec.SecurityContext; security != nil && security.FSGroup != nil {
			mode = 0o600 // for the group, too, once the file is its
		}
		data, err := in.anchors(p.ClusterTrustBundle)
		if err != nil {
			return nil, err
		}
		return []file{{path: p.ClusterTrustBundle.Path, mode: mode, data: data}}, nil
	},
}

const clusterTrustBundles = "clustertrustbundles"

var watchedTrustBundle = object{
	kind:          &certificatesv1.ClusterTrustBundle{},
	clusterScoped: true,
	list: func(ctx context.Context, client kubernetes.Interface, _ string, o metav1.ListOptions) (k8sruntime.Object, error) {
		return client.CertificatesV1().ClusterTrustBundles().List(ctx, o)
	},
	watch: func(ctx context.Context, client kubernetes.Interface, _ string, o metav1.ListOptions) (watch.Interface, error) {
		return client.CertificatesV1().ClusterTrustBundles().Watch(ctx, o)
	},
	immutable: func(any) bool { return false },
}

// bundleSources are what to watch: one object, or those of a signer with some labels. Without a selector a signer has none.
func bundleSources(p *corev1.ClusterTrustBundleProjection) []source {
	if p.Name != nil {
		return []source{{resource: clusterTrustBundles, name: *p.Name}}
	}
	selector, err := metav1.LabelSelectorAsSelector(p.LabelSelector)
	if err != nil || p.SignerName == nil || p.LabelSelector == nil {
		return nil
	}
	return []source{{resource: clusterTrustBundles, signer: *p.SignerName, labels: selector.String()}}
}

// TrustBundles finds ClusterTrustBundles. A missing one is a NotFound error.
type TrustBundles struct {
	Named func(name string) (*certificatesv1.ClusterTrustBundle, error)
	Of    func(signer string, selector labels.Selector) ([]certificatesv1.ClusterTrustBundle, error)
}

// NewTrustBundles finds them with a plain request each time.
func NewTrustBundles(ctx context.Context, client kubernetes.Interface) TrustBundles {
	bundles := client.CertificatesV1().ClusterTrustBundles()
	return TrustBundles{
		Named: func(name string) (*certificatesv1.ClusterTrustBundle, error) {
			b, err := bundles.Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil, apierrors.NewNotFound(certificatesv1.Resource("clustertrustbundle"), name) // as upstream's lister says it
			}
			return b, err //nolint:wrapcheck // anchors says what was tried
		},
		Of: func(signer string, selector labels.Selector) ([]certificatesv1.ClusterTrustBundle, error) {
			list, err := bundles.List(ctx, metav1.ListOptions{LabelSelector: selector.String(),
				FieldSelector: fields.OneTermEqualSelector("spec.signerName", signer).String()})
			if err != nil {
				return nil, err //nolint:wrapcheck // as above
			}
			return list.Items, nil
		},
	}
}

// anchors are the certificates of the bundles that are named, in PEM. Where none is there, and none has to be, there are none.
func (in Input) anchors(p *corev1.ClusterTrustBundleProjection) ([]byte, error) {
	optional := ptr.Deref(p.Optional, false)
	if p.Name != nil {
		b, err := in.TrustBundles.Named(*p.Name)
		if apierrors.IsNotFound(err) && optional {
			return []byte{}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("while getting ClusterTrustBundle: %w", err)
		}
		return normalize([]certificatesv1.ClusterTrustBundle{*b}), nil
	}
	if p.SignerName == nil {
		return nil, errors.New("ClusterTrustBundle projection requires either name or signerName to be set")
	}
	selector, err := metav1.LabelSelectorAsSelector(p.LabelSelector)
	if err != nil {
		return nil, fmt.Errorf("while parsing label selector: %w", err)
	}
	var found []certificatesv1.ClusterTrustBundle
	if p.LabelSelector != nil {
		if found, err = in.TrustBundles.Of(*p.SignerName, selector); err != nil {
			return nil, fmt.Errorf("while listing ClusterTrustBundles matching label selector %v: %w", p.LabelSelector, err)
		}
	}
	if len(found) == 0 && !optional {
		return nil, errors.New("combination of signerName and labelSelector matched zero ClusterTrustBundles")
	}
	return normalize(found), nil
}

// normalize writes each certificate of the bundles once, without what stands between them. Upstream shuffles them, so that nobody counts
// on their order; here they are sorted, so that nothing is written anew that says the same.
func normalize(bundles []certificatesv1.ClusterTrustBundle) []byte {
	anchors := map[string]bool{}
	for i := range bundles {
		for block, rest := pem.Decode([]byte(bundles[i].Spec.TrustBundle)); block != nil; block, rest = pem.Decode(rest) {
			anchors[string(block.Bytes)] = true
		}
	}
	out := []byte{}
	for _, anchor := range slices.Sorted(maps.Keys(anchors)) {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(anchor)})...)
	}
	return out
}
