package clustertest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/cluster/clustertest"
)

// A test of one's own begins with Start: from then on there is a whole cluster, whose pods really run.
func ExampleStart() {
	test := func(t testing.TB) {
		client, err := kubernetes.NewForConfig(clustertest.Start(t, clustertest.Nodes(2)))
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, node := range nodes.Items {
			fmt.Println(node.Name, ready(&node))
		}
	}
	runAsTest(test)
	// Output:
	// node-1 Ready
	// node-2 Ready
}

func ready(node *corev1.Node) corev1.NodeConditionType {
	for _, condition := range node.Status.Conditions {
		if condition.Status == corev1.ConditionTrue {
			return condition.Type
		}
	}
	return "NotReady"
}

// runAsTest stands in for `go test`, which gives no *testing.T to an example.
func runAsTest(test func(testing.TB)) {
	t := &exampleT{ctx: context.Background()}
	defer t.end()
	test(t)
}

// exampleT is as much of a testing.TB as Start needs.
type exampleT struct {
	testing.TB
	ctx      context.Context //nolint:containedctx // as testing.T does
	cleanups []func()
}

func (t *exampleT) Helper()                           {}
func (t *exampleT) Context() context.Context          { return t.ctx }
func (t *exampleT) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (t *exampleT) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (t *exampleT) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (t *exampleT) end() {
	for _, cleanup := range slices.Backward(t.cleanups) {
		cleanup()
	}
}
