package clients

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/action"
	chartv3 "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"

	"minik.dev/cluster/clustertest"
)

// helm3 applies from the client's side: three-way merges of what was, what is and what shall be.
type helm3 struct {
	config *action.Configuration
	chart  *chartv3.Chart
}

func TestHelm3(t *testing.T) {
	t.Parallel()
	c, env := clustertest.Run(t, clustertest.Nodes(2)), cli.New()
	env.SetNamespace(namespace)
	settle(t, c, &env.KubeConfig, env.RESTClientGetter())
	h := &helm3{config: &action.Configuration{}}
	require.NoError(t, h.config.Init(env.RESTClientGetter(), namespace, "secret", func(string, ...any) {}))
	var err error
	h.chart, err = loader.Load(chart)
	require.NoError(t, err)
	testReleases(t, c, h)
}

func (h *helm3) install(values map[string]any) error {
	install := action.NewInstall(h.config)
	install.ReleaseName, install.Namespace, install.CreateNamespace = release, namespace, true
	install.Wait, install.Timeout = true, helmPatience
	_, err := install.Run(h.chart, values)
	return err
}

func (h *helm3) upgrade(values map[string]any, timeout time.Duration) error {
	upgrade := action.NewUpgrade(h.config)
	upgrade.Namespace = namespace
	upgrade.Wait, upgrade.Timeout = true, timeout
	_, err := upgrade.Run(release, h.chart, values)
	return err
}

func (h *helm3) rollback(version int) error {
	rollback := action.NewRollback(h.config)
	rollback.Version, rollback.Wait, rollback.Timeout = version, true, helmPatience
	return rollback.Run(release)
}

func (h *helm3) uninstall() error {
	uninstall := action.NewUninstall(h.config)
	uninstall.Wait, uninstall.Timeout = true, helmPatience
	_, err := uninstall.Run(release)
	return err
}
