package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/docker/docker/client"
)

// environment is what findHost looks at.
type environment struct {
	get  func(string) string
	home string
}

func osEnvironment() environment {
	home, _ := os.UserHomeDir() // "" finds no configuration, and the default socket is used
	return environment{get: os.Getenv, home: home}
}

// configDir is where the docker command keeps its configuration.
func (e environment) configDir() string {
	if dir := e.get("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	return filepath.Join(e.home, ".docker")
}

// where is an engine's address, and what authenticates both sides.
type where struct {
	host    string
	tlsDir  string // has ca.pem, cert.pem and key.pem; empty means no TLS
	fromEnv bool   // the DOCKER_* variables say everything
}

// findHost is the engine that the docker command would use: DOCKER_HOST, else the context that DOCKER_CONTEXT or the
// configuration's currentContext names, else the default socket.
func findHost(env environment) (where, error) {
	if host := env.get("DOCKER_HOST"); host != "" {
		return where{host: host, fromEnv: true}, nil
	}
	name := env.get("DOCKER_CONTEXT")
	if name == "" {
		config, err := readConfig(env.configDir())
		if err != nil {
			return where{}, err
		}
		name = config.CurrentContext
	}
	if name == "" || name == "default" {
		return where{host: client.DefaultDockerHost}, nil
	}
	return contextHost(env.configDir(), name)
}

// config is the part of the docker command's config.json that matters here.
type config struct {
	CurrentContext    string                `json:"currentContext"`
	Auths             map[string]configAuth `json:"auths"`
	CredentialsStore  string                `json:"credsStore"`
	CredentialHelpers map[string]string     `json:"credHelpers"`
}

func readConfig(dir string) (config, error) {
	var c config
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("reading Docker's configuration: %w", err)
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("reading Docker's configuration %s: %w", path, err)
	}
	return c, nil
}

// contextHost reads a context from where the docker command stores it: below the SHA-256 of its name.
func contextHost(dir, name string) (where, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	text, err := os.ReadFile(filepath.Join(dir, "contexts", "meta", id, "meta.json"))
	if err != nil {
		return where{}, fmt.Errorf("Docker's context %q cannot be read: %w; `docker context ls` lists what there is", name, err)
	}
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		return where{}, fmt.Errorf("Docker's context %q is damaged: %w", name, err)
	}
	endpoint, ok := meta.Endpoints["docker"]
	if !ok || endpoint.Host == "" {
		return where{}, fmt.Errorf("Docker's context %q names no engine", name)
	}
	out := where{host: endpoint.Host}
	tls := filepath.Join(dir, "contexts", "tls", id, "docker")
	if _, err := os.Stat(filepath.Join(tls, "cert.pem")); err == nil {
		out.tlsDir = tls
	}
	return out, nil
}

func (w where) clientOptions() ([]client.Opt, error) {
	if w.fromEnv {
		return []client.Opt{client.FromEnv}, nil
	}
	options := []client.Opt{client.WithHost(w.host)}
	if url, err := client.ParseHostURL(w.host); err != nil || url.Scheme == "ssh" {
		return nil, fmt.Errorf("the engine's address %q is of no kind that minik can use: unix, tcp or npipe", w.host)
	}
	if w.tlsDir != "" {
		file := func(name string) string { return filepath.Join(w.tlsDir, name) }
		options = append(options, client.WithTLSClientConfig(file("ca.pem"), file("cert.pem"), file("key.pem")))
	}
	return options, nil
}
