package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is printed can be typed as it is.
func TestNext(t *testing.T) {
	require.Equal(t, `
ready. In a second terminal:
  bin/minik get pods -o wide -n shop
  curl http://10.96.255.1
  bin/minik node stop node-2
  export KUBECONFIG=/home/a/.minik/kubeconfig
  kubectl get nodes
Ctrl-C ends it; the data stays.
`, next{minik: "bin/minik", kubeconfig: "/home/a/.minik/kubeconfig", namespace: "shop", url: "http://10.96.255.1",
		node: "node-2", data: "the data stays"}.String())

	require.Contains(t, next{minik: "minik", detach: true}.String(), "minik get pods -o wide -A")
	require.Contains(t, next{minik: "minik --data-dir x", detach: true}.String(), "\nminik --data-dir x down ends it;")
}

func TestApplySummary(t *testing.T) {
	require.Equal(t, "2 created, 1 unchanged", applySummary(
		"deployment.apps/web created\nnamespace/shop unchanged\nservice/web created\n"))
	require.Empty(t, applySummary(""))
}

func TestExportText(t *testing.T) {
	require.Equal(t, "export KUBECONFIG=/home/a/.minik/kubeconfig", exportText("linux", "/home/a/.minik/kubeconfig"))
	require.Equal(t, `export KUBECONFIG='/home/a b/it'\''s/kubeconfig'`, exportText("darwin", "/home/a b/it's/kubeconfig"))
	require.Equal(t, `$env:KUBECONFIG="C:\a\kubeconfig"`, exportText("windows", `C:\a\kubeconfig`))
}
