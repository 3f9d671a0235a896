package apiserver

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"
)

// writable is a kind that random writers write.
type writable struct {
	resource schema.GroupVersionResource
	cluster  bool   // scope
	manifest string // without metadata
	status   string // a merge patch of the status, which is a part of its own; "" is none
}

// writables differ in what their writes carry along: claims of addresses, an index, a status, a finalizer's second life,
// no journal entry.
var writables = []writable{
	{resource: schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, manifest: `{apiVersion: v1, kind: ConfigMap}`},
	{resource: schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, manifest: `{apiVersion: v1, kind: Secret}`},
	{
		resource: schema.GroupVersionResource{Version: "v1", Resource: "services"},
		manifest: `{apiVersion: v1, kind: Service, spec: {type: NodePort, ports: [{port: 80}], selector: {app: a}}}`,
	},
	{
		resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		manifest: `{apiVersion: v1, kind: Pod, spec: {nodeName: node-1, containers: [{name: main, image: image}]}}`,
		status:   `{"status":{"message":%q}}`,
	},
	{
		resource: schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, cluster: true,
		manifest: `{apiVersion: v1, kind: Node}`, status: `{"status":{"nodeInfo":{"machineID":%q}}}`,
	},
	{
		resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
		manifest: `{apiVersion: apps/v1, kind: Deployment, spec: {selector: {matchLabels: {app: a}}, template: {metadata:
			{labels: {app: a}}, spec: {containers: [{name: main, image: image}]}}}}`,
		status: `{"status":{"conditions":[{"type":"Available","status":"True","message":%q}]}}`,
	},
	{
		resource: schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
		manifest: `{apiVersion: coordination.k8s.io/v1, kind: Lease}`,
	},
}

// in is where a client finds the kind's objects.
func (w writable) in(client dynamic.Interface) dynamic.ResourceInterface {
	if w.cluster {
		return client.Resource(w.resource)
	}
	return client.Resource(w.resource).Namespace("shop")
}

// object is a new object of the kind, of one of two tiers.
func (w writable) object(t testing.TB, name, tier string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte(w.manifest), &u.Object))
	u.SetName(name)
	u.SetLabels(map[string]string{"tier": tier})
	return u
}

// How much random writers write.
const (
	randomWriters = 6
	randomWrites  = 120 // of each writer
	randomNames   = 4   // objects of each kind, written by all
)

// writeRandomly lets several clients create, change and delete objects of all of the kinds, and returns when they have.
func (ts *testServer) writeRandomly(t *testing.T, seed uint64, kinds []writable) {
	client, err := dynamic.NewForConfig(ts.config)
	require.NoError(t, err)
	var wait sync.WaitGroup
	for i := range randomWriters {
		draw := rand.New(rand.NewPCG(seed, uint64(i+1)))
		wait.Go(func() {
			for j := range randomWrites {
				kind := kinds[draw.IntN(len(kinds))]
				err := kind.write(t, client, draw, fmt.Sprintf("%d.%d", i, j))
				if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsAlreadyExists(err) && !apierrors.IsConflict(err) {
					t.Errorf("writing %s: %v", kind.resource.Resource, err)
				}
			}
		})
	}
	wait.Wait()
}

// write makes one random write, whatever is there.
func (w writable) write(t *testing.T, client dynamic.Interface, draw *rand.Rand, value string) error {
	ctx, objects := t.Context(), w.in(client)
	name, tier := fmt.Sprintf("o%d", draw.IntN(randomNames)), []string{"front", "back"}[draw.IntN(2)]
	var err error
	switch n := draw.IntN(20); {
	case n < 6:
		_, err = objects.Create(ctx, w.object(t, name, tier), metav1.CreateOptions{})
	case n < 8:
		err = objects.Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)})
	case n < 9:
		err = objects.DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)},
			metav1.ListOptions{LabelSelector: "tier=back"})
	case n < 11: // one that is deleted and has it goes on until it is taken away
		patch := []string{`{"metadata":{"finalizers":["test.dev/wait"]}}`, `{"metadata":{"finalizers":null}}`}[draw.IntN(2)]
		_, err = objects.Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	case n < 14 && w.status != "":
		_, err = objects.Patch(ctx, name, types.MergePatchType, fmt.Appendf(nil, w.status, value), metav1.PatchOptions{}, "status")
	default:
		_, err = objects.Patch(ctx, name, types.MergePatchType, fmt.Appendf(nil,
			`{"metadata":{"labels":{"tier":%q},"annotations":{"value":%q}}}`, tier, value), metav1.PatchOptions{})
	}
	return err
}
