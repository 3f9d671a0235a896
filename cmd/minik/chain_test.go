package main

import (
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

	"minik.dev/api"
	"minik.dev/cluster/clustertest"
	"minik.dev/journal"
)

// From `kubectl create deployment` to the addresses behind a Service, every write names the one before it as a cause, back
// to the command, which has none.
func TestTheChainFromTheCommandToTheEndpoints(t *testing.T) {
	c := clustertest.Run(t, clustertest.Nodes(2))
	for _, line := range []string{
		"create service clusterip web --tcp=80",
		"create deployment web --image=nginx:1.29 --replicas=3",
		"rollout status deployment/web",
	} {
		root, home, _ := newRoot(genericiooptions.IOStreams{In: strings.NewReader(""), Out: io.Discard, ErrOut: io.Discard})
		home.dataDir = t.TempDir()
		root.SetArgs(append(strings.Fields(line), "--kubeconfig", c.Kubeconfig(), "--cache-dir", t.TempDir()))
		require.NoError(t, root.ExecuteContext(t.Context()), line)
	}
	// What happened, from the last to the first.
	chain := []link{
		{"endpoint-slice-controller", "update", "endpointslices", ""},
		{"kubelet", "update", "pods", "status"},
		{"default-scheduler", "create", "pods", "binding"},
		{"replicaset-controller", "create", "pods", ""},
		{"deployment-controller", "create", "replicasets", ""},
		{"kubectl create deployment", "create", "deployments", ""},
	}
	var entries map[string]api.Revision
	ready := func() []string {
		entries = journalByName(t, c.Config())
		var found []string
		for name, r := range entries {
			if chain[0].is(r) && becameReady.MatchString(r.Reason) {
				found = append(found, name)
			}
		}
		return found
	}
	var last []string
	require.Eventually(t, func() bool { last = ready(); return len(last) > 0 }, patience, lookAgain,
		"a pod's address becomes ready")
	for _, name := range last {
		require.True(t, follow(entries, entries[name], chain), "revision %s: %s, because %v", name,
			entries[name].Reason, entries[name].Causes)
	}
	for name, r := range entries {
		for _, cause := range r.Causes {
			if n, err := strconv.Atoi(cause); cause != journal.Timer {
				require.NoError(t, err)
				require.Less(t, n, atoi(t, name), "a cause of %s %s %s", r.Actor.Component, r.Verb, r.Resource)
			}
		}
	}
}

var becameReady = regexp.MustCompile(`of pod web-\S+ (is|comes,) ready on `)

// link is one write of a chain.
type link struct{ component, verb, resource, subresource string }

func (l link) is(r api.Revision) bool {
	actor := r.Actor.Component
	if r.Actor.Command != "" {
		actor = r.Actor.Command
	}
	return l == link{actor, r.Verb, r.Resource, r.Subresource}
}

// follow goes from cause to cause through the chain. A component may write the same object again on the way: its earlier
// write is a cause of the later one. The end has no cause.
func follow(entries map[string]api.Revision, at api.Revision, chain []link) bool {
	if len(chain) == 1 {
		return len(at.Causes) == 0
	}
	return slices.ContainsFunc(at.Causes, func(cause string) bool {
		before, kept := entries[cause]
		switch {
		case kept && chain[1].is(before):
			return follow(entries, before, chain[1:])
		case kept && before.Actor.Component == at.Actor.Component:
			return follow(entries, before, chain)
		}
		return false
	})
}

// journalByName are all entries of the journal.
func journalByName(t *testing.T, config *rest.Config) map[string]api.Revision {
	t.Helper()
	client, err := api.NewClient(config)
	require.NoError(t, err)
	out := map[string]api.Revision{}
	for next := ""; ; {
		var page api.RevisionList
		get := client.Get().Resource("revisions").Param("limit", "500").Param("continue", next)
		require.NoError(t, get.Do(t.Context()).Into(&page))
		for _, r := range page.Items {
			out[r.ObjectMeta.Name] = r
		}
		if next = page.Continue; next == "" {
			return out
		}
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n
}
