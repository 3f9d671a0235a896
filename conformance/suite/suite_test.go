package suite

import (
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	conformancetestdata "k8s.io/kubernetes/test/conformance/testdata"
	"k8s.io/kubernetes/test/e2e"
	"k8s.io/kubernetes/test/e2e/framework"
	"k8s.io/kubernetes/test/e2e/framework/config"
	"k8s.io/kubernetes/test/e2e/framework/testfiles"
	e2etestingmanifests "k8s.io/kubernetes/test/e2e/testing-manifests"
	testfixtures "k8s.io/kubernetes/test/fixtures"

	// Where there are conformance specs.
	_ "k8s.io/kubernetes/test/e2e/apimachinery"
	_ "k8s.io/kubernetes/test/e2e/apps"
	_ "k8s.io/kubernetes/test/e2e/architecture"
	_ "k8s.io/kubernetes/test/e2e/auth"
	_ "k8s.io/kubernetes/test/e2e/common"
	_ "k8s.io/kubernetes/test/e2e/dra"
	_ "k8s.io/kubernetes/test/e2e/instrumentation"
	_ "k8s.io/kubernetes/test/e2e/kubectl"
	_ "k8s.io/kubernetes/test/e2e/network"
	_ "k8s.io/kubernetes/test/e2e/node"
	_ "k8s.io/kubernetes/test/e2e/scheduling"
	_ "k8s.io/kubernetes/test/e2e/storage"

	// What the framework does besides is registered by importing it, as upstream's own main does.
	_ "k8s.io/kubernetes/test/e2e/framework/debug/init"
	_ "k8s.io/kubernetes/test/e2e/framework/metrics/init"
	_ "k8s.io/kubernetes/test/e2e/framework/node/init"
)

var limit = flag.Duration("spec-limit", 0, "how long one spec may take; 0 runs none")

func TestMain(m *testing.M) {
	config.CopyFlags(config.Flags, flag.CommandLine)
	framework.RegisterCommonFlags(flag.CommandLine)
	framework.RegisterClusterFlags(flag.CommandLine)
	flag.Parse()
	for _, source := range []testfiles.FileSource{e2etestingmanifests.GetE2ETestingManifestsFS(), testfixtures.GetTestFixturesFS(),
		conformancetestdata.GetConformanceTestdataFS()} {
		testfiles.AddFileSource(source)
	}
	framework.AfterReadingAllFlags(&framework.TestContext)
	ginkgo.AddTreeConstructionNodeArgsTransformer(limited)
	os.Exit(m.Run())
}

// limited gives the limit to every spec that can be ended: one that takes a context.
func limited(node types.NodeType, _ ginkgo.Offset, text string, args []any) (string, []any, []error) {
	if !node.Is(types.NodeTypeIt) {
		return text, args, nil
	}
	for _, arg := range args {
		if f := reflect.TypeOf(arg); f != nil && f.Kind() == reflect.Func && f.NumIn() == 1 {
			return text, append(args, ginkgo.SpecTimeout(*limit)), nil
		}
	}
	return text, args, nil
}

func TestConformance(t *testing.T) {
	if *limit == 0 {
		t.Skip("make conformance runs it, on a cluster of its own")
	}
	e2e.RunE2ETests(t)
}
