package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"minik.dev/private"
)

// ClientConfig reads a kubeconfig. Of a data directory's own it is the cluster's own context that counts, whichever people have made
// the current one.
func ClientConfig(path, dataDir string) clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{}
	if path == (dataDirectory{dir: dataDir}).kubeconfig() {
		overrides.CurrentContext = OwnContext(dataDir)
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{ExplicitPath: path}, overrides)
}

// OwnContext is the cluster's own context in the kubeconfig of a data directory; "" where there is none.
func OwnContext(dataDir string) string {
	name := ContextName(dataDir)
	config, err := clientcmd.LoadFromFile((dataDirectory{dir: dataDir}).kubeconfig())
	if err != nil || config.Contexts[name] == nil {
		return ""
	}
	return name
}

// ContextName is what the kubeconfig in a data directory calls the cluster, its user and its context: "minik" in ~/.minik, and
// elsewhere a name that tells it from that of every other directory, as kubeconfigs are put together.
func ContextName(dataDir string) string {
	const own = "minik"
	dataDir = filepath.Clean(dataDir)
	home, err := os.UserHomeDir()
	if base := filepath.Base(dataDir); base == "."+own && (err != nil || filepath.Dir(dataDir) == filepath.Clean(home)) {
		return own
	}
	sum := sha256.Sum256([]byte(dataDir))
	name := strings.Trim(unfit.ReplaceAllString(strings.TrimPrefix(filepath.Base(dataDir), own), "-"), "-.")
	return strings.Join(slices.DeleteFunc([]string{own, name, hex.EncodeToString(sum[:2])}, func(s string) bool { return s == "" }), "-")
}

// unfit is what a context's name does without.
var unfit = regexp.MustCompile(`[^a-zA-Z0-9.-]+`)

// withCluster is the kubeconfig with the cluster, and all else that somebody has put there: other contexts, which of them is the
// current one, and the namespace of the cluster's own.
func withCluster(config *clientcmdapi.Config, name, host string, ca, cert, key []byte) {
	config.Clusters[name] = &clientcmdapi.Cluster{
		Server: host, CertificateAuthorityData: ca,
		DisableCompression: true, // client and server share a machine
	}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	own := &clientcmdapi.Context{Namespace: "default"}
	if before := config.Contexts[name]; before != nil {
		own = before
	}
	own.Cluster, own.AuthInfo = name, name
	config.Contexts[name] = own
	if config.Contexts[config.CurrentContext] == nil {
		config.CurrentContext = name
	}
}

// readKubeconfig is the kubeconfig at the path, or an empty one where there is none.
func readKubeconfig(path string) (*clientcmdapi.Config, error) {
	config, err := clientcmd.LoadFromFile(path)
	if os.IsNotExist(err) {
		return clientcmdapi.NewConfig(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig %s, to which the cluster is added, cannot be read; mend it, or delete it and it is "+
			"made anew: %w", path, err)
	}
	return config, nil
}

// writeKubeconfig signs a certificate for the identity and writes it into the kubeconfig, readable by its owner alone.
func (p *pki) writeKubeconfig(path, host string, who identity) error {
	cert, key, err := p.client(who)
	if err != nil {
		return err
	}
	config, err := readKubeconfig(path)
	if err != nil {
		return err
	}
	withCluster(config, ContextName(filepath.Dir(path)), host, p.caPEM, cert, key)
	text, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("writing a kubeconfig: %w", err)
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
