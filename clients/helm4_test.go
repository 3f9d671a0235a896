package clients

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v4/pkg/action"
	chartv4 "helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/loader"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/kube"

	"minik.dev/cluster/clustertest"
)

// helm4 applies on the server's side, and watches what it waits for.
type helm4 struct {
	config *action.Configuration
	chart  chartv4.Charter
}

func TestHelm4(t *testing.T) {
	t.Parallel()
	c, env := clustertest.Run(t, clustertest.Nodes(2)), cli.New()
	env.SetNamespace(namespace)
	settle(t, c, &env.KubeConfig, env.RESTClientGetter())
	h := &helm4{config: action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))}
	require.NoError(t, h.config.Init(env.RESTClientGetter(), namespace, "secret"))
	var err error
	h.chart, err = loader.Load(chart)
	require.NoError(t, err)
	testReleases(t, c, h)
}

func (h *helm4) install(values map[string]any) error {
	install := action.NewInstall(h.config)
	install.ReleaseName, install.Namespace, install.CreateNamespace = release, namespace, true
	install.WaitStrategy, install.Timeout = kube.StatusWatcherStrategy, helmPatience
	_, err := install.Run(h.chart, values)
	return err
}

func (h *helm4) upgrade(values map[string]any, timeout time.Duration) error {
	upgrade := action.NewUpgrade(h.config)
	upgrade.Namespace = namespace
	upgrade.WaitStrategy, upgrade.Timeout = kube.StatusWatcherStrategy, timeout
	_, err := upgrade.Run(release, h.chart, values)
	return err
}

func (h *helm4) rollback(version int) error {
	rollback := action.NewRollback(h.config)
	rollback.Version, rollback.WaitStrategy, rollback.Timeout = version, kube.StatusWatcherStrategy, helmPatience
	return rollback.Run(release)
}

func (h *helm4) uninstall() error {
	uninstall := action.NewUninstall(h.config)
	uninstall.WaitStrategy, uninstall.Timeout = kube.StatusWatcherStrategy, helmPatience
	_, err := uninstall.Run(release)
	return err
}
