package serviceaccount

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/loop"
	"minik.dev/controllers/rootcacertpublisher"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each namespace gets its account and the certificate, and gets them back when they are taken away or changed.
func TestNamespacesAreFurnished(t *testing.T) {
	shop := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive}}
	client := fake.NewSimpleClientset(controllertest.EndingNamespace(), shop)
	controllertest.StartOn(t, client, loop.Options{ClusterCA: []byte("PEM")}, []loop.Row{
		{Name: "service-account-controller", Workers: 1, New: New},
		{Name: "root-ca-certificate-publisher-controller", Workers: 1, New: rootcacertpublisher.New},
	})
	accounts, configMaps := client.CoreV1().ServiceAccounts("web"), client.CoreV1().ConfigMaps("web")
	furnished := func() bool {
		_, err := accounts.Get(t.Context(), "default", metav1.GetOptions{})
		configMap, errCA := configMaps.Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
		return err == nil && errCA == nil && configMap.Data["ca.crt"] == "PEM" && len(configMap.Data) == 1
	}
	controllertest.Eventually(t, furnished, "both are there")
	require.NoError(t, accounts.Delete(t.Context(), "default", metav1.DeleteOptions{}))
	changed, err := configMaps.Get(t.Context(), "kube-root-ca.crt", metav1.GetOptions{})
	require.NoError(t, err)
	changed.Data = map[string]string{"ca.crt": "forged", "more": "x"}
	_, err = configMaps.Update(t.Context(), changed, metav1.UpdateOptions{})
	require.NoError(t, err)
	controllertest.Eventually(t, furnished, "both are back")
	list, err := client.CoreV1().ServiceAccounts("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, list.Items, "nothing is added to a namespace that is being deleted")
}
