package cluster

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"minik.dev/private"
)

// contextName is what the kubeconfig calls the cluster, its user and its context.
const contextName = "minik"

// kubeconfig is a client configuration file for the identity.
func kubeconfig(host string, ca, cert, key []byte) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[contextName] = &clientcmdapi.Cluster{
		Server: host, CertificateAuthorityData: ca,
		DisableCompression: true, // client and server share a machine
	}
	config.AuthInfos[contextName] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	config.Contexts[contextName] = &clientcmdapi.Context{Cluster: contextName, AuthInfo: contextName, Namespace: "default"}
	config.CurrentContext = contextName
	out, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("writing a kubeconfig: %w", err)
	}
	return out, nil
}

// writeKubeconfig signs a certificate for the identity and writes a kubeconfig with it, readable by its owner alone.
func (p *pki) writeKubeconfig(path, host string, who identity) error {
	cert, key, err := p.client(who)
	if err != nil {
		return err
	}
	text, err := kubeconfig(host, p.caPEM, cert, key)
	if err != nil {
		return err
	}
	if err := private.ReplaceFile(path, text, 0o600); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return nil
}

// config signs a certificate for the identity and makes a component's client configuration with it.
func (p *pki) config(host string, who identity) (*rest.Config, error) {
	cert, key, err := p.client(who)
	if err != nil {
		return nil, err
	}
	return forComponent(&rest.Config{
		Host:            host,
		TLSClientConfig: rest.TLSClientConfig{CAData: p.caPEM, CertData: cert, KeyData: key},
	}), nil
}

// config is the client configuration of a component of this cluster. It leads straight to the API server where that runs in
// this process, with the certificate that the component would show it elsewhere. At another's API server the component is
// whom its kubeconfig says.
func (c *Cluster) config(who identity) (*rest.Config, error) {
	if c.joined != nil {
		return forComponent(c.joined), nil
	}
	if c.server == nil {
		return c.pki.config(c.host, who)
	}
	certificate, err := c.pki.clientCertificate(who)
	if err != nil {
		return nil, err
	}
	direct, err := c.server.Direct(certificate.Leaf)
	if err != nil {
		return nil, err
	}
	return forComponent(&rest.Config{Host: c.host, Transport: direct}), nil
}

// forComponent is how minik's own components speak: in protobuf, which costs a fifth of JSON to read, uncompressed, and
// without a limit on requests per second, which the API server sets. What people are warned of (that Endpoints are
// deprecated) is no news to them.
func forComponent(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.DisableCompression = true
	config.WarningHandler = rest.NoWarnings{}
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	return config
}
