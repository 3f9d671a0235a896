package fidelity

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/apiserver/discovery"
	"minik.dev/apiserver/resources/builtin"
)

// notServed are the stable groups of upstream that minik does not have, or has another way, and the kinds that it lacks of others.
var notServed = map[string]string{
	"admissionregistration.k8s.io": "no webhook or policy is asked yet",
	"apiextensions.k8s.io":         "no kinds are defined by others yet",
	"apiregistration.k8s.io":       "no other API servers are behind this one",
}

// differently are the resources of which minik says something else, and why.
var differently = map[string]string{
	"serviceaccounts/token": "no tokens are issued yet",
	// The hash is of the version that is stored: upstream writes v1beta1 for one more release, minik v1.
	"clustertrustbundles":      "it is stored in another version",
	"podcertificaterequests":   "it is stored in another version",
	"devicetaintrules":         "it is stored in another version",
	"storageversionmigrations": "it is stored in another version",
}

// TestDiscovery holds what minik says of its kinds to the documents that upstream keeps of its own: every stable version of every group,
// with the resources in order, and of each its names, short names, categories, verbs, scope and the hash of the stored version.
func TestDiscovery(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes").Output()
	require.NoError(t, err)
	documents := filepath.Join(strings.TrimSpace(string(out)), "api", "discovery")
	server := discovery.New(builtin.All())
	ask := func(path string, into any) int {
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		if answer.Code == 200 {
			require.NoError(t, json.Unmarshal(answer.Body.Bytes(), into))
		}
		return answer.Code
	}
	var groups metav1.APIGroupList
	read(t, filepath.Join(documents, "apis.json"), &groups)
	stable := regexp.MustCompile(`^v\d+$`)
	paths := map[string]string{"v1": "/api/v1"} // by the group's version
	var order []string
	for _, g := range groups.Groups {
		if notServed[g.Name] == "" && g.Name != "events.k8s.io" { // minik's is a version of the core group's, and comes with it
			order = append(order, g.Name)
		}
		for _, v := range g.Versions {
			if stable.MatchString(v.Version) && notServed[g.Name] == "" {
				paths[v.GroupVersion] = "/apis/" + v.GroupVersion
			}
		}
	}
	require.Greater(t, len(paths), 15)
	for gv, path := range paths {
		t.Run(gv, func(t *testing.T) {
			var upstream, minik metav1.APIResourceList
			read(t, filepath.Join(documents, strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "__")+".json"), &upstream)
			require.Equal(t, 200, ask(path, &minik), "it is not served")
			require.Equal(t, told(t, upstream.APIResources), told(t, minik.APIResources))
		})
	}
	t.Run("order", func(t *testing.T) {
		var minik metav1.APIGroupList
		require.Equal(t, 200, ask("/apis", &minik))
		var have []string
		for _, g := range minik.Groups {
			if slices.Contains(order, g.Name) {
				have = append(have, g.Name)
			}
		}
		order = slices.DeleteFunc(order, func(g string) bool { return !slices.Contains(have, g) }) // those with a stable version
		require.Equal(t, order, have)
	})
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

// told is a line for each resource, so that a difference can be read, without what is known to differ.
func told(t *testing.T, list []metav1.APIResource) string {
	var out strings.Builder
	for _, r := range list {
		line := fmt.Sprintf("%s %s namespaced=%v kind=%s/%s/%s verbs=%v short=%v categories=%v", r.Name, r.SingularName, r.Namespaced,
			r.Group, r.Version, r.Kind, r.Verbs, r.ShortNames, r.Categories)
		switch why := differently[r.Name]; {
		case why == "":
			fmt.Fprintf(&out, "%s hash=%s\n", line, r.StorageVersionHash)
		case r.StorageVersionHash != "": // but for the hash it is the same
			t.Logf("%s: %s", r.Name, why)
			fmt.Fprintln(&out, line)
		}
	}
	return out.String()
}
