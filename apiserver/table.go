package apiserver

import (
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// tableOf renders objects as rows, as `kubectl get` prints them.
func (s *Server) tableOf(r *request, m media, entries []*store.Entry) (*metav1.Table, error) {
	include, err := r.includeObject()
	if err != nil {
		return nil, err
	}
	table := &metav1.Table{ColumnDefinitions: columns(r.row), Rows: make([]metav1.TableRow, 0, len(entries))}
	table.APIVersion, table.Kind = metav1.GroupName+"/"+m.AsVersion, "Table"
	if err := s.tellTime(r); err != nil {
		return nil, err
	}
	now := s.Clock.Now()
	if r.row.Order != nil {
		entries = slices.SortedStableFunc(slices.Values(entries), func(a, b *store.Entry) int { return r.row.Order(a.Object, b.Object) })
	}
	for _, e := range entries {
		row := metav1.TableRow{Cells: cells(r.row, e.Object, r.now(now, e.Object))}
		switch include {
		case metav1.IncludeObject:
			row.Object = runtime.RawExtension{Object: r.out(e.Object)}
		case metav1.IncludeMetadata:
			// The bytes are shared: kubectl asks for every row's metadata, and names it by them.
			raw, err := media{Type: mediaJSON, As: "PartialObjectMetadata", AsVersion: m.AsVersion}.entryBytes(e)
			if err != nil {
				return nil, err
			}
			row.Object = runtime.RawExtension{Raw: raw}
		}
		table.Rows = append(table.Rows, row)
	}
	return table, nil
}

// includeObject is what each row brings along of its object.
func (r *request) includeObject() (metav1.IncludeObjectPolicy, error) {
	switch include := metav1.IncludeObjectPolicy(r.URL.Query().Get("includeObject")); include {
	case "":
		return metav1.IncludeMetadata, nil
	case metav1.IncludeMetadata, metav1.IncludeNone, metav1.IncludeObject:
		return include, nil
	default:
		return "", apierrors.NewBadRequest(fmt.Sprintf("includeObject: Unsupported value: %q: supported values: \"Metadata\", "+
			"\"None\", \"Object\"", include))
	}
}

// partTable renders the body of a subresource as a table of one row.
func (s *Server) partTable(r *request, m media, part runtime.Object) (*metav1.Table, error) {
	include, err := r.includeObject()
	if err != nil {
		return nil, err
	}
	if err := s.tellTime(r); err != nil {
		return nil, err
	}
	obj, named := part.(metav1.Object)
	row := metav1.TableRow{Cells: r.sub.Cells(part, r.now(s.Clock.Now(), obj))}
	switch {
	case include == metav1.IncludeObject:
		row.Object = runtime.RawExtension{Object: part}
	case include == metav1.IncludeMetadata && named:
		row.Object = runtime.RawExtension{Object: partial(obj, m.AsVersion)}
	}
	table := &metav1.Table{ColumnDefinitions: r.sub.Columns, Rows: []metav1.TableRow{row}}
	table.APIVersion, table.Kind = metav1.GroupName+"/"+m.AsVersion, "Table"
	return table, nil
}

// partialRow is a row that has nothing but metadata, for a bookmark.
func partialRow(obj resources.Object, m media) (metav1.TableRow, error) {
	raw, err := media{Type: mediaJSON}.encode(partial(obj, m.AsVersion))
	if err != nil {
		return metav1.TableRow{}, err
	}
	return metav1.TableRow{Cells: []any{}, Object: runtime.RawExtension{Raw: raw}}, nil
}

// columns are the row's own, or Name and Age.
func columns(row *resources.Resource) []metav1.TableColumnDefinition {
	if row.Columns != nil {
		return row.Columns
	}
	return []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Format: "name", Description: metav1.ObjectMeta{}.SwaggerDoc()["name"]},
		{Name: "Age", Type: "string", Description: metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"]},
	}
}

func cells(row *resources.Resource, obj resources.Object, now time.Time) []any {
	if row.Cells != nil {
		return row.Cells(obj, now)
	}
	return []any{obj.GetName(), duration.HumanDuration(now.Sub(obj.GetCreationTimestamp().Time))}
}
