package docker

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/registry"
	corev1 "k8s.io/api/core/v1"
)

// hub is how Docker's configuration calls its own registry.
const hub = "https://index.docker.io/v1/"

// configAuth is one registry's entry in Docker's configuration, and in a Secret of type dockerconfigjson.
type configAuth struct {
	Auth          string `json:"auth"` // user:password in base64
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
}

// credentials are what a registry is asked with, in order: the pod's own secrets, then what the docker command has stored
// in its configuration, then none. Credential helpers are not run.
func credentials(image string, secrets []*corev1.Secret, env environment) []string {
	var out []string
	for _, secret := range secrets {
		out = append(out, fitting(image, secretAuths(secret))...)
	}
	if config, err := readConfig(env.configDir()); err == nil { // a damaged file is no reason not to ask
		out = append(out, fitting(image, config.Auths)...)
	}
	return append(out, "")
}

// secretAuths are the registries that a Secret has credentials for.
func secretAuths(secret *corev1.Secret) map[string]configAuth {
	var whole struct {
		Auths map[string]configAuth `json:"auths"`
	}
	switch secret.Type {
	case corev1.SecretTypeDockerConfigJson:
		_ = json.Unmarshal(secret.Data[corev1.DockerConfigJsonKey], &whole) // the API has checked it
	case corev1.SecretTypeDockercfg:
		_ = json.Unmarshal(secret.Data[corev1.DockerConfigKey], &whole.Auths)
	}
	return whole.Auths
}

// fitting are the credentials for the image's registry, encoded for the engine.
func fitting(image string, auths map[string]configAuth) []string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return nil
	}
	var out []string
	for server, auth := range auths {
		if !serves(server, named) {
			continue
		}
		config := registry.AuthConfig{Username: auth.Username, Password: auth.Password, IdentityToken: auth.IdentityToken,
			ServerAddress: server}
		if decoded, err := base64.StdEncoding.DecodeString(auth.Auth); err == nil && auth.Auth != "" {
			config.Username, config.Password, _ = strings.Cut(string(decoded), ":")
		}
		if encoded, err := registry.EncodeAuthConfig(config); err == nil {
			out = append(out, encoded)
		}
	}
	return out
}

// serves says that credentials stored for server are for the image: the same host, and where a path is named, below it.
func serves(server string, image reference.Named) bool {
	domain := reference.Domain(image)
	if domain == "docker.io" && (server == hub || server == "docker.io" || server == "index.docker.io") {
		return true
	}
	server = strings.TrimPrefix(strings.TrimPrefix(server, "https://"), "http://")
	host, path, _ := strings.Cut(strings.TrimSuffix(server, "/"), "/")
	if path == "v1" || path == "v2" { // of the registry's API, not of an image
		path = ""
	}
	return host == domain && (path == "" || strings.HasPrefix(reference.Path(image)+"/", path+"/"))
}
