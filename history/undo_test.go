package history

import (
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"minik.dev/api"
)

// parsed reads an object; an empty text is none.
func parsedObject(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	if text == "" {
		return nil
	}
	u := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte(text), &u.Object))
	return u
}

func TestPlanUndo(t *testing.T) {
	two := "{metadata: {name: web, uid: u1, resourceVersion: '5', generation: 1}, spec: {replicas: 2}, status: {ready: 2}}"
	five := "{metadata: {name: web, uid: u1, resourceVersion: '7', generation: 2}, spec: {replicas: 5}, status: {ready: 2}}"
	fiveReady := "{metadata: {name: web, uid: u1, resourceVersion: '9', generation: 2}, spec: {replicas: 5}, status: {ready: 5}}"
	seven := "{metadata: {name: web, uid: u1, resourceVersion: '9', generation: 3}, spec: {replicas: 7}, status: {ready: 5}}"
	twoAgain := "{metadata: {name: web, uid: u1, resourceVersion: '9', generation: 3}, spec: {replicas: 2}}"
	dying := "{metadata: {name: web, uid: u1, resourceVersion: '7', deletionTimestamp: '2026-06-01T12:00:00Z'}, spec: {replicas: 2}}"
	other := "{metadata: {name: web, uid: u2, resourceVersion: '9'}, spec: {replicas: 2}}"
	for name, c := range map[string]struct {
		before, after, now string
		later              []later
		force              bool
		verb               undoVerb
		to, err            string
	}{
		"a change, of which the status has moved on": {before: two, after: five, now: fiveReady, verb: undoUpdate,
			to: "{metadata: {name: web, uid: u1, resourceVersion: '9', generation: 2}, spec: {replicas: 2}, status: {ready: 5}}"},
		"a change that was changed since": {before: two, after: five, now: seven, later: []later{
			wrote("8", "kubectl edit", "jane", path{"spec", "replicas"}), wrote("9", "kubectl scale", "jane", path{"spec", "replicas"}),
			wrote("10", "", "system:kube-controller-manager", path{"metadata", "annotations", "revision"})},
			err: "deployments/web was changed again since, in spec.replicas (by kubectl scale, revision 9); --force takes that back too"},
		"a change that was changed since, by force": {before: two, after: five, now: seven, force: true, verb: undoUpdate,
			to: "{metadata: {name: web, uid: u1, resourceVersion: '9', generation: 3}, spec: {replicas: 2}, status: {ready: 5}}"},
		"a change that is undone already": {before: two, after: five, now: twoAgain, err: "already again what it was"},
		"a creation":                      {after: five, now: fiveReady, verb: undoDelete},
		"a creation that is gone":         {after: five, err: "which is gone already"},
		"a creation that was changed": {after: five, now: seven, later: []later{wrote("9", "kubectl scale", "jane",
			path{"spec", "replicas"})}, err: "was changed again since, in spec.replicas (by kubectl scale, revision 9); --force deletes it"},
		"a creation that a controller wrote into": {after: five, now: seven, later: []later{wrote("9", "",
			"system:kube-controller-manager", path{"metadata", "annotations", "revision"})}, verb: undoDelete},
		"a change, beside others": {before: image("a", "1"), after: image("a", "2"),
			now: "{metadata: {name: web, uid: u1, annotations: {revision: '2'}}, spec: {replicas: 4, containers: [{name: new}, {name: a, image: '2'}]}}", verb: undoUpdate,
			to: "{metadata: {name: web, uid: u1, annotations: {revision: '2'}}, spec: {replicas: 4, containers: [{name: new}, {name: a, image: '1'}]}}"},
		"a deletion": {before: two, verb: undoCreate, to: "{metadata: {name: web}, spec: {replicas: 2}}"},
		"the mark of a deletion that is over": {before: two, after: dying, verb: undoCreate,
			to: "{metadata: {name: web}, spec: {replicas: 2}}"},
		"the mark of a deletion that goes on":      {before: two, after: dying, now: dying, err: "is still going on"},
		"the end of a deletion":                    {before: dying, verb: undoCreate, to: "{metadata: {name: web}, spec: {replicas: 2}}"},
		"a deletion, and one of the name is there": {before: two, now: other, err: "one of that name was created since"},
		"a change of one that was deleted":         {before: two, after: five, err: "was deleted since: undo that revision"},
		"a change of one that was made anew": {before: two, after: five, now: other,
			err: "was deleted since, and created again"},
		"a change of one that is being deleted": {before: five, after: two, now: dying, err: "is being deleted"},
		"a report of the status":                {before: five, after: fiveReady, now: fiveReady, err: "it changed nothing of deployments/web"},
		"nothing at all":                        {err: "neither there before it nor after it"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &api.Revision{ObjectMeta: metav1.ObjectMeta{Name: "7"}, Resource: "deployments", Name: "web"}
			u, err := planUndo(r, states{parsedObject(t, c.before), parsedObject(t, c.after), parsedObject(t, c.now), c.later}, c.force)
			if c.err != "" {
				require.ErrorContains(t, err, "revision 7 cannot be undone: ")
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.verb, u.Verb)
			require.Equal(t, parsedObject(t, c.to), u.To)
			require.Contains(t, u.Reason, "revision 7 is undone: ")
		})
	}
}

func image(container, tag string) string {
	return "{metadata: {name: web, uid: u1}, spec: {containers: [{name: " + container + ", image: '" + tag + "'}]}}"
}

// wrote is a later write of the object.
func wrote(revision, command, user string, changed ...path) later {
	return later{Revision: &api.Revision{ObjectMeta: metav1.ObjectMeta{Name: revision},
		Actor: api.Actor{User: user, Command: command}}, Changed: changed}
}

func TestDiffWithoutHeads(t *testing.T) {
	from := parsedObject(t, "{kind: ConfigMap, data: {a: '1', b: '2', c: '3', d: '4', e: '5', f: '6'}}")
	to := parsedObject(t, "{kind: ConfigMap, data: {a: '1', b: '2', c: '3', d: '4', e: '5', f: '7'}}")
	shown, err := diffObjects(from, to)
	require.NoError(t, err)
	require.Equal(t, " …\n   c: \"3\"\n   d: \"4\"\n   e: \"5\"\n-  f: \"6\"\n+  f: \"7\"\n kind: ConfigMap\n", shown)
	shown, err = diffObjects(from, from)
	require.NoError(t, err)
	require.Empty(t, shown)
	shown, err = diffObjects(nil, to)
	require.NoError(t, err)
	require.Contains(t, shown, "+  f: \"7\"\n")
}

// The values of a Secret are nobody's to see on a terminal.
func TestDiffHidesSecrets(t *testing.T) {
	const applied = ", annotations: {kubectl.kubernetes.io/last-applied-configuration: "
	from := parsedObject(t, "{kind: Secret, metadata: {name: s"+applied+"dHdv}}, data: {a: b25l, b: dHdv}}")
	to := parsedObject(t, "{kind: Secret, metadata: {name: s"+applied+"dGhyZWU=}}, data: {a: b25l, b: dGhyZWU=}}")
	diff, err := diffObjects(from, to)
	require.NoError(t, err)
	require.Contains(t, diff, "-  b: '*** (before)'\n+  b: '*** (after)'\n")
	require.Contains(t, diff, "  a: '***'\n")
	require.NotContains(t, diff, "b25l")
	require.NotContains(t, diff, "dHdv")
}
