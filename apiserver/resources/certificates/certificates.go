// Package certificates has the rows of certificates.k8s.io/v1: CertificateSigningRequests, which are asked, approved and signed by three
// parties that may each write another part of them; ClusterTrustBundles, the authorities that a signer's certificates come from; and
// PodCertificateRequests, by which nodes ask for the certificates of pods.
package certificates

import "minik.dev/apiserver/resources"

// Resources are the rows of certificates.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		certificateSigningRequests(),
		clusterTrustBundles(),
		podCertificateRequests(),
	}
}
