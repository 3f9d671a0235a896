package fidelity

import (
	"context"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/printers"
	printersinternal "k8s.io/kubernetes/pkg/printers/internalversion"

	"minik.dev/apiserver/resources"
)

// TestColumns holds the table of kubectl get, -o wide included, to that of upstream's printers: its columns, and the cells of every
// object of which the other tests write, and of those that upstream's fuzzers make.
func TestColumns(t *testing.T) {
	tables := printers.NewTableGenerator().With(printersinternal.AddHandlers)
	for _, k := range kinds() {
		t.Run(k.String(), func(t *testing.T) {
			if differingColumns[k.String()] && !*all {
				t.Skip("it is known to differ: run with -all")
			}
			f := newFound()
			k.shown(t, func(w write) {
				f.cases++
				if k.compareRow(f, tables, w) {
					f.differing++
				}
			})
			report(t, f, column, broken)
		})
	}
}

// compareRow compares what the two print of one object. Upstream's printers look at the clock themselves: minik's are asked with the
// time before and after, and may agree with either. It reports whether they differ.
func (k kind) compareRow(f *found, tables *printers.HumanReadableGenerator, w write) (differs bool) {
	internal, err := k.internal(w.obj)
	if err != nil {
		return false // nobody could have stored it
	}
	obj := k.stored(w.obj)
	if k.row.Default != nil {
		k.row.Default(obj)
	}
	columns, cells := k.row.Columns, k.row.Cells
	before := time.Now()
	table, err := upstreamTable(tables, internal)
	after := time.Now()
	tell := func(where, up, mi, text string) {
		differs = true
		f.add(difference{k.String(), column, where, up, mi}, example{w.of + ": " + text, w})
	}
	if err != nil {
		return false // upstream's printer fails on it, and minik's says something
	}
	if columns == nil {
		columns = []metav1.TableColumnDefinition{
			{Name: "Name", Type: "string", Format: "name", Description: metav1.ObjectMeta{}.SwaggerDoc()["name"]},
			{Name: "Age", Type: "string", Description: metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"]},
		}
	}
	if len(columns) != len(table.ColumnDefinitions) {
		tell("", fmt.Sprintf("has %d columns", len(table.ColumnDefinitions)), fmt.Sprintf("has %d", len(columns)), "")
		return differs
	}
	for i, up := range table.ColumnDefinitions {
		if up != columns[i] {
			tell(up.Name, "has another head", "", fmt.Sprintf("upstream %+v, minik %+v", up, columns[i]))
		}
	}
	if cells == nil {
		return differs
	}
	early, late := cells(obj, before), cells(obj, after)
	if len(early) != len(table.Rows[0].Cells) {
		tell("", fmt.Sprintf("prints %d cells", len(table.Rows[0].Cells)), fmt.Sprintf("prints %d", len(early)), "")
		return differs
	}
	for i, up := range table.Rows[0].Cells {
		if u := fmt.Sprint(up); u != fmt.Sprint(early[i]) && u != fmt.Sprint(late[i]) {
			tell(columns[i].Name, "prints one cell", "another", fmt.Sprintf("upstream %.100q, minik %.100q", u, fmt.Sprint(early[i])))
		}
	}
	return differs
}

// upstreamTable is what upstream's printers make of the object, and of a kind that they do not know its storage.
func upstreamTable(tables *printers.HumanReadableGenerator, obj runtime.Object) (table *metav1.Table, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("upstream panics: %v", r)
		}
	}()
	table, err = tables.GenerateTable(obj, printers.GenerateOptions{Wide: true})
	if err != nil && strings.Contains(err.Error(), "no table handler") {
		table, err = rest.NewDefaultTableConvertor(schema.GroupResource{}).ConvertToTable(context.Background(), obj, nil)
	}
	if err == nil && len(table.Rows) != 1 {
		err = fmt.Errorf("%d rows", len(table.Rows))
	}
	return table, err
}

// shown gives do what was written, changed, and made by upstream's fuzzers, with a status.
func (k kind) shown(t *testing.T, do func(write)) {
	r := rand.New(rand.NewSource(*seed))
	k.writes(t, func(w write) {
		obj := w.obj.DeepCopyObject().(resources.Object)
		if created := obj.GetCreationTimestamp(); created.IsZero() && r.Intn(10) > 0 {
			obj.SetCreationTimestamp(metav1.NewTime(time.Now().Add(-time.Duration(r.Int63n(int64(1000 * time.Hour))))))
		}
		do(write{obj: obj, of: w.of})
	})
}
