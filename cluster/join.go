package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"minik.dev/cluster/network"
)

// join finds the API server that another process serves: that of this data directory, or any other that the kubeconfig leads to,
// kube-apiserver included. A component that onNetwork opens addresses of the cluster.
func (c *Cluster) join(ctx context.Context, kubeconfig string, onNetwork bool) (string, error) {
	dir, err := filepath.Abs(c.options.DataDir)
	if err != nil {
		return "", fmt.Errorf("finding the data directory %s: %w", c.options.DataDir, err)
	}
	c.dir = dataDirectory{dir: dir}
	given := kubeconfig != "" && kubeconfig != c.dir.kubeconfig()
	if !given {
		kubeconfig = c.dir.kubeconfig()
	}
	config, err := ClientConfig(kubeconfig, c.dir.dir).ClientConfig()
	if err != nil {
		return "", fmt.Errorf("reading the kubeconfig: %w; `minik serve apiserver` or `minik up` writes it", err)
	}
	if err := rest.LoadTLSFiles(config); err != nil {
		return "", fmt.Errorf("reading the certificates that kubeconfig %s names: %w", kubeconfig, err)
	}
	c.host = config.Host
	own, err := os.ReadFile(filepath.Join(c.dir.pki(), "ca.crt"))
	switch {
	case given && !bytes.Equal(own, config.CAData):
		return c.joinOther(ctx, config, onNetwork)
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("the data directory %s has no certificates: run this component with the --data-dir of its API "+
			"server, or with the --kubeconfig of any other", dir)
	}
	return c.host, c.joinOwn()
}

// joinOwn takes the cluster's authority and its addresses from the data directory, which it shares with its API server.
func (c *Cluster) joinOwn() error {
	var err error
	if c.pki, err = openPKI(c.dir.pki(), c.options.Clock.Now()); err != nil {
		return err
	}
	if c.network, err = network.Load(c.dir.network()); err != nil {
		return err
	}
	c.parts.onStop("network", c.network.Close)
	return c.network.Expose(c.options.Expose, c.options.Logger)
}

// joinOther has the component be whom the kubeconfig says, at an API server that may be anybody's. Addresses are claimed on this machine
// and kept below the data directory, in a directory for each such server: its components share them, as they do a bridge.
func (c *Cluster) joinOther(ctx context.Context, config *rest.Config, onNetwork bool) (string, error) {
	c.joined = config
	detail := c.host + ", as its kubeconfig says"
	if !onNetwork {
		return detail, nil
	}
	services, err := servicesOf(ctx, config, c.options.ServiceCIDR)
	if err != nil {
		return "", err
	}
	c.options.ServiceCIDR = services
	if c.dir, err = makeDataDir(filepath.Join(c.dir.dir, "joined", directoryOf(c.host)), false); err != nil {
		return "", err
	}
	if _, err := c.openRuntime(ctx); err != nil {
		return "", err
	}
	if err := c.acquire(ctx); err != nil {
		return "", err
	}
	addresses, err := c.claimNetwork(ctx)
	if err == nil {
		c.pki, err = openPKI(c.dir.pki(), c.options.Clock.Now())
	}
	if err = errors.Join(err, c.dir.release()); err != nil {
		return "", err
	}
	return detail + "; " + addresses, nil
}

// directoryOf is the name of the directory for what is kept for an API server.
func directoryOf(host string) string {
	_, address, _ := strings.Cut(host, "://")
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:[]%?*"<>|`, r) {
			return '_'
		}
		return r
	}, address)
}

// servicesOf is the range from which an API server gives Services their addresses: the one that is given, or what the server says.
func servicesOf(ctx context.Context, config *rest.Config, given string) (string, error) {
	if given != "" {
		return given, nil
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", fmt.Errorf("making a client that asks for the range of the Services: %w", err)
	}
	object, err := client.NetworkingV1().ServiceCIDRs().Get(ctx, "kubernetes", metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("asking for the range of the Services: %w; give it with --service-cidr", err)
	}
	for _, cidr := range object.Spec.CIDRs {
		if prefix, err := netip.ParsePrefix(cidr); err == nil && prefix.Addr().Is4() {
			return cidr, nil
		}
	}
	return "", fmt.Errorf("the Services of %s have no IPv4 range: ServiceCIDR kubernetes has %s", config.Host, strings.Join(object.Spec.CIDRs, ", "))
}

// authority is the certificate of the cluster's authority, PEM, which is published to every namespace.
func (c *Cluster) authority() []byte {
	if c.joined != nil {
		return c.joined.CAData
	}
	return c.pki.caPEM
}

// loadBalancerPool is what Services of type LoadBalancer get their addresses from: only minik's own API server keeps a part of the
// range free for them.
func (c *Cluster) loadBalancerPool() netip.Prefix {
	if c.joined != nil {
		return netip.Prefix{}
	}
	return c.network.LoadBalancerPool
}

// kubeletTLS serves with the certificate, and asks for one that the cluster's authority has signed.
func (c *Cluster) kubeletTLS(certificate tls.Certificate) (*tls.Config, error) {
	config := c.pki.serverTLS(certificate, tls.RequireAndVerifyClientCert)
	if c.joined == nil {
		return config, nil
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(c.joined.CAData) {
		return nil, errors.New("the kubeconfig names no certificate-authority, by which a kubelet knows its API server: without it anybody " +
			"could read the logs")
	}
	return config, nil
}
