package cluster

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"
)

// What people have put into the kubeconfig survives the next start: other contexts, the current one, a namespace.
func TestTheKubeconfigKeepsWhatPeopleWrote(t *testing.T) {
	dir := t.TempDir()
	path, name := filepath.Join(dir, "kubeconfig"), ContextName(dir)
	config, err := readKubeconfig(path)
	require.NoError(t, err)
	withCluster(config, name, "https://127.0.0.1:1", []byte("ca"), []byte("cert"), []byte("key"))
	require.Equal(t, name, config.CurrentContext)

	config.Contexts[name].Namespace = "shop"
	config.Contexts["work"] = config.Contexts[name].DeepCopy()
	config.Contexts["work"].Cluster = "elsewhere"
	config.CurrentContext = "work"
	require.NoError(t, clientcmd.WriteToFile(*config, path))

	config, err = readKubeconfig(path)
	require.NoError(t, err)
	withCluster(config, name, "https://127.0.0.1:2", []byte("ca"), []byte("cert2"), []byte("key2"))
	require.Equal(t, "https://127.0.0.1:2", config.Clusters[name].Server)
	require.Equal(t, []byte("cert2"), config.AuthInfos[name].ClientCertificateData)
	require.Equal(t, "shop", config.Contexts[name].Namespace)
	require.Equal(t, "elsewhere", config.Contexts["work"].Cluster)
	require.Equal(t, "work", config.CurrentContext)
	require.NoError(t, clientcmd.WriteToFile(*config, path))

	// minik's own verbs mean the cluster of the directory all the same.
	own, err := ClientConfig(path, dir).ClientConfig()
	require.NoError(t, err)
	require.Equal(t, "https://127.0.0.1:2", own.Host)

	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	_, err = readKubeconfig(path)
	require.ErrorContains(t, err, "cannot be read; mend it, or delete it and it is made anew")
}

func TestContextName(t *testing.T) {
	t.Setenv("HOME", "/home/jane")
	t.Setenv("USERPROFILE", "/home/jane")
	require.Equal(t, "minik", ContextName("/home/jane/.minik"))
	require.Regexp(t, `^minik-class-[0-9a-f]{4}$`, ContextName("/tmp/class"))
	require.Regexp(t, `^minik-my-class-[0-9a-f]{4}$`, ContextName("/tmp/my class"))
	require.Regexp(t, `^minik-[0-9a-f]{4}$`, ContextName("/tmp/minik"))
	require.Regexp(t, `^minik-minik-[0-9a-f]{4}$`, ContextName("/root/.minik"))
	require.NotEqual(t, ContextName("/tmp/a/class"), ContextName("/tmp/b/class"))
}
