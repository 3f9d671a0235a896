package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"minik.dev/private"
)

// pki is a cluster's own certificate authority and what it signs: one serving certificate for the API server and each
// kubelet, and one client certificate for each identity. Keys are ECDSA P-256.
type pki struct {
	dir    string
	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
	caPEM  []byte
	issued time.Time
}

// How long certificates are valid. Those that are signed at each start could be short-lived; a kubeconfig that was copied
// somewhere should go on working for a course.
const (
	caYears   = 10
	leafYears = 1
)

// openPKI reads the authority from the directory, or makes it there.
func openPKI(dir string, now time.Time) (*pki, error) {
	p := &pki{dir: dir, issued: now}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the certificates' directory: %w", err)
	}
	cert, err := os.ReadFile(p.path("ca.crt"))
	if errors.Is(err, fs.ErrNotExist) {
		return p, p.makeCA()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's CA: %w", err)
	}
	key, err := os.ReadFile(p.path("ca.key"))
	if err != nil {
		return nil, damagedCA(dir, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, damagedCA(dir, err)
	}
	ecKey, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, damagedCA(dir, fmt.Errorf("its key is a %T and not an ECDSA key", pair.PrivateKey))
	}
	p.ca, p.caKey, p.caPEM = pair.Leaf, ecKey, cert
	return p, nil
}

// damagedCA says what to do about an authority that cannot sign. No object of the cluster depends on it.
func damagedCA(dir string, err error) error {
	return fmt.Errorf("the cluster's CA in %s is damaged: %w; delete the directory, and the next start makes another CA: "+
		"only copies of the kubeconfig stop working", dir, err)
}

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

func (p *pki) makeCA() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the key of the cluster's CA: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "minik-ca"},
		NotBefore:             p.issued.Add(-time.Hour),
		NotAfter:              p.issued.AddDate(caYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("signing the cluster's CA: %w", err)
	}
	if p.ca, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("reading the cluster's new CA: %w", err)
	}
	p.caKey = key
	p.caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM, err := keyToPEM(key)
	if err != nil {
		return err
	}
	// The key first: a start that is cut off in between finds no certificate, and makes both again.
	if err := private.ReplaceFile(p.path("ca.key"), keyPEM, 0o600); err != nil {
		return fmt.Errorf("writing the key of the cluster's CA: %w", err)
	}
	if err := private.ReplaceFile(p.path("ca.crt"), p.caPEM, 0o644); err != nil {
		return fmt.Errorf("writing the cluster's CA: %w", err)
	}
	return nil
}

func keyToPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// identity is a name and its groups, as a client certificate carries them.
type identity struct {
	name   string
	groups []string
}

// The identities of a cluster.
var (
	administrator = identity{"kubernetes-admin", []string{"system:masters"}}
	scheduling    = identity{"system:kube-scheduler", nil}
	controlling   = identity{"system:kube-controller-manager", nil}
	proxying      = identity{"system:kube-proxy", []string{"system:node-proxier"}}
	naming        = identity{"system:kube-dns", nil}
	toKubelets    = identity{"kube-apiserver-kubelet-client", []string{"system:masters"}}
)

func nodeIdentity(name string) identity {
	return identity{"system:node:" + name, []string{"system:nodes"}}
}

// client signs a client certificate.
func (p *pki) client(who identity) (certPEM, keyPEM []byte, err error) {
	return p.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: who.name, Organization: who.groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// server signs a serving certificate for the names and addresses.
func (p *pki) server(name string, names []string, ips []net.IP) (tls.Certificate, error) {
	certPEM, keyPEM, err := p.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    names,
		IPAddresses: ips,
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

func (p *pki) sign(template *x509.Certificate) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key for %s: %w", template.Subject.CommonName, err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, fmt.Errorf("making a serial number for %s: %w", template.Subject.CommonName, err)
	}
	template.NotBefore, template.NotAfter = p.issued.Add(-time.Hour), p.issued.AddDate(leafYears, 0, 0)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, p.ca, key.Public(), p.caKey)
	if err != nil {
		return nil, nil, fmt.Errorf("signing a certificate for %s: %w", template.Subject.CommonName, err)
	}
	if keyPEM, err = keyToPEM(key); err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), keyPEM, nil
}

// pool holds the CA alone.
func (p *pki) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.ca)
	return pool
}

// serverTLS serves with the certificate and checks the certificates of clients that have one.
func (p *pki) serverTLS(cert tls.Certificate, clients tls.ClientAuthType) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: ciphers,
		Certificates: []tls.Certificate{cert},
		ClientCAs:    p.pool(),
		ClientAuth:   clients,
		NextProtos:   []string{"h2", "http/1.1"},
	}
}

// ciphers are those of TLS 1.2: with forward secrecy, and authenticated as a whole. Those with CBC, which Go offers too, have been
// broken again and again. TLS 1.3 has no others.
var ciphers = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// clientTLS is the API server's side of its connections to kubelets.
func (p *pki) clientTLS(who identity) (*tls.Config, error) {
	cert, err := p.clientCertificate(who)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: ciphers, RootCAs: p.pool(), Certificates: []tls.Certificate{cert}}, nil
}

// clientCertificate is a client certificate as this process reads it.
func (p *pki) clientCertificate(who identity) (tls.Certificate, error) {
	certPEM, keyPEM, err := p.client(who)
	if err != nil {
		return tls.Certificate{}, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("reading the new certificate of %s: %w", who.name, err)
	}
	return cert, nil
}
