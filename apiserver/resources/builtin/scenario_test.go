package builtin

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/resources"
	"minik.dev/scenario"
)

// scenarioTime is when every scenario takes place.
var scenarioTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// TestScenarios reads <group>/testdata/<noun>/*.txt. A scenario says in prose which rule it is about, then gives an object as a
// person would write it ("input"), perhaps the object that is stored already ("old"), or one as it is stored, with its
// status ("stored"), and what the row's hooks answer.
// Which hooks are asked is up to the file: only the sections that it has are compared, and -rewrite fills them in.
//
//	defaulted   the object after Default and Prepare
//	errors      Mistakes, one a line
//	status      the mistakes that writing input as the status of old makes
//	approval    the same for the approval of a certificate
//	ephemeralcontainers  the same for the ephemeral containers of a pod
//	resize      the same for the resize of a pod
//	warnings    Warn
//	row         Columns and Cells
//	fields      Fields
//	claims      Claims
//	served      the object in its further version, which has to lead back to it
//
// An object may be given in a further version.
func TestScenarios(t *testing.T) {
	scenario.Sections(t, scenarioFiles, play)
}

// scenarioFiles are the scenarios of all groups. They are played here together, because one test is built in a fraction of the time
// that a test for each group takes: -run TestScenarios/apps/deployment plays those of one noun.
const scenarioFiles = "../*/testdata/*/*.txt"

// play answers every section of a scenario.
func play(t *testing.T, sections []txtar.File) {
	var row *resources.Resource
	var obj, old resources.Object
	for i, f := range sections {
		switch f.Name {
		case "old":
			row, old = decode(t, f.Data)
			complete(row, old)
		case "input":
			row, obj = decode(t, f.Data)
			prepare(row, obj, old)
		case "stored":
			row, obj = decode(t, f.Data)
		default:
			sections[i].Data = []byte(answer(t, f.Name, row, obj, old))
		}
	}
}

// complete gives an object its namespace and its defaults.
func complete(row *resources.Resource, obj resources.Object) {
	if !row.ClusterScoped && obj.GetNamespace() == "" {
		obj.SetNamespace("default")
	}
	if row.Default != nil {
		row.Default(obj)
	}
}

// prepare does what the verbs do before admission.
func prepare(row *resources.Resource, obj, old resources.Object) {
	complete(row, obj)
	if old != nil {
		obj.SetResourceVersion("1")
	}
	if row.Prepare != nil {
		row.Prepare(obj, old)
	}
	if row.Stamp != nil {
		row.Stamp(obj, old, scenarioWrite())
	}
	if old != nil {
		row.CountChange(obj, old)
	}
}

// scenarioWrite is who writes every scenario's input, and when.
func scenarioWrite() resources.Write {
	return resources.Write{
		User: auth.User{Name: "jane", Groups: []string{"developers", auth.Authenticated}},
		Now:  metav1.NewTime(scenarioTime),
	}
}

func answer(t *testing.T, section string, row *resources.Resource, obj, old resources.Object) string {
	switch section {
	case "defaulted":
		obj = obj.DeepCopyObject().(resources.Object)
		row.Complete(obj)
		text, err := yaml.Marshal(obj)
		require.NoError(t, err)
		return string(text)
	case "errors":
		return lines(resources.Version{Row: row}.Mistakes(obj, old))
	case "status", "approval", "ephemeralcontainers", "resize":
		status, ok := row.Subresource(section)
		require.True(t, ok)
		updated := old.DeepCopyObject().(resources.Object)
		require.NoError(t, status.Apply(updated, obj))
		return lines(status.Validate(updated, old))
	case "warnings":
		return strings.Join(append(row.Warn(obj, old), ""), "\n")
	case "row":
		return tableRow(row, obj)
	case "fields":
		text, err := yaml.Marshal(row.Fields(obj))
		require.NoError(t, err)
		return string(text)
	case "served":
		served := row.Served[0].From(obj)
		require.Equal(t, asJSON(t, obj), asJSON(t, row.Served[0].To(served)))
		text, err := yaml.Marshal(served)
		require.NoError(t, err)
		return string(text)
	case "claims":
		return strings.Join(append(row.Claims(obj), ""), "\n")
	}
	require.Failf(t, "unknown section", "%q", section)
	return ""
}

func lines(errs field.ErrorList) string {
	var b strings.Builder
	for _, err := range errs {
		fmt.Fprintln(&b, err)
	}
	return b.String()
}

// tableRow shows a row on its side: one line a column, those of -o wide indented.
func tableRow(row *resources.Resource, obj resources.Object) string {
	var b strings.Builder
	for i, cell := range row.Cells(obj, scenarioTime) {
		indent := strings.Repeat("  ", int(row.Columns[i].Priority))
		fmt.Fprintf(&b, "%s%s: %v\n", indent, strings.ToUpper(row.Columns[i].Name), cell)
	}
	return b.String()
}

// decode reads an object strictly into the row of its kind.
func decode(t require.TestingT, text []byte) (*resources.Resource, resources.Object) {
	var meta metav1.TypeMeta
	require.NoError(t, yaml.Unmarshal(text, &meta))
	row, served := rowOf(t, meta.GroupVersionKind())
	if served != nil {
		obj := served.New()
		require.NoError(t, yaml.UnmarshalStrict(text, obj))
		return row, served.To(obj)
	}
	obj := row.New()
	require.NoError(t, yaml.UnmarshalStrict(text, obj))
	return row, obj
}

// rowOf is the row that serves the kind, and the version where it is not the stored one.
func rowOf(t require.TestingT, kind schema.GroupVersionKind) (*resources.Resource, *resources.Served) {
	for _, row := range All() {
		if row.Kind == kind {
			return row, nil
		}
		for i := range row.Served {
			if row.Served[i].Kind == kind {
				return row, &row.Served[i]
			}
		}
	}
	require.Failf(t, "no row", "%s", kind)
	return nil, nil
}

// asJSON is how two objects are compared: as they are stored.
func asJSON(t require.TestingT, obj any) string {
	text, err := json.MarshalIndent(obj, "", "  ")
	require.NoError(t, err)
	return string(text)
}
