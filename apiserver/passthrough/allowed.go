package passthrough

import (
	"net"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Target is what the API server connects to on behalf of a client.
type Target string

// The targets there are. A pod may be at its node's address, where it is on the host's network.
const (
	TargetKubelet Target = "kubelet" // with the certificate that kubelets obey
	TargetNode    Target = "node"
	TargetPod     Target = "pod"
)

// allowed says whether the API server connects to an address that it has read in an object, with upstream's code and words
// where it does not (proxyutil.ErrAddressNotAllowed).
func (p *Passthrough) allowed(what Target, ip string, port int32) error {
	why := "this API server knows no nodes"
	if p.Refuse != nil {
		why = p.Refuse(what, ip, port)
	}
	if why == "" {
		return nil
	}
	return apierrors.NewBadRequest("address not allowed: " + why)
}

// allowedHost is allowed for "ip:port".
func (p *Passthrough) allowedHost(what Target, host string) error {
	ip, text, err := net.SplitHostPort(host)
	if err != nil {
		return apierrors.NewBadRequest("address not allowed: " + err.Error())
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return apierrors.NewBadRequest("address not allowed: \"" + text + "\" is no port")
	}
	return p.allowed(what, ip, int32(port))
}
