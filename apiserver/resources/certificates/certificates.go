// Package certificates has the row of certificates.k8s.io/v1: CertificateSigningRequests, which are asked, approved and signed by three
// parties that may each write another part of them.
package certificates

import "minik.dev/apiserver/resources"

// Resources are the rows of certificates.k8s.io/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		certificateSigningRequests(),
	}
}
