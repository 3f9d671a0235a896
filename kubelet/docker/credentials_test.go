package docker

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/registry"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestWhoseCredentialsServe(t *testing.T) {
	for _, c := range []struct {
		server, image string
		serves        bool
	}{
		{hub, "nginx", true}, {"docker.io", "me/app:1", true}, {hub, "registry.example/app", false},
		{"registry.example", "registry.example/app", true}, {"https://registry.example/v2/", "registry.example/a/b", true},
		{"registry.example/team", "registry.example/team/app", true}, {"registry.example/team", "registry.example/teams/app", false},
		{"registry.example:5000", "registry.example/app", false},
	} {
		named, err := reference.ParseNormalizedNamed(c.image)
		require.NoError(t, err)
		require.Equal(t, c.serves, serves(c.server, named), "%s for %s", c.server, c.image)
	}
}

// The pod's secrets come first, then the docker command's configuration, then nobody.
func TestCredentialsInOrder(t *testing.T) {
	home := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(home, ".docker"), 0o700))
	auth := base64.StdEncoding.EncodeToString([]byte("user:pass:word"))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".docker", "config.json"),
		[]byte(`{"auths":{"registry.example":{"auth":"`+auth+`"},"other.example":{"auth":"`+auth+`"}}}`), 0o600))
	secret := &corev1.Secret{Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{
		corev1.DockerConfigJsonKey: []byte(`{"auths":{"registry.example":{"username":"pod","password":"own"}}}`)}}
	old := &corev1.Secret{Type: corev1.SecretTypeDockercfg, Data: map[string][]byte{
		corev1.DockerConfigKey: []byte(`{"registry.example":{"username":"old","password":"way"}}`)}}
	got := credentials("registry.example/app:1", []*corev1.Secret{secret, old},
		environment{get: func(string) string { return "" }, home: home})
	require.Len(t, got, 4)
	require.Empty(t, got[3])
	for i, want := range [][2]string{{"pod", "own"}, {"old", "way"}, {"user", "pass:word"}} {
		config, err := registry.DecodeAuthConfig(got[i])
		require.NoError(t, err)
		require.Equal(t, want, [2]string{config.Username, config.Password})
	}
}
