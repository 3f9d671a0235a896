package core

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

// componentStatuses are made for each request. Upstream has deprecated them, and serves them still.
func componentStatuses() *resources.Resource {
	return &resources.Resource{
		Kind:          corev1.SchemeGroupVersion.WithKind("ComponentStatus"),
		Plural:        "componentstatuses",
		ShortNames:    []string{"cs"},
		ClusterScoped: true,
		Verbs:         []string{"get", "list"},
		New:           func() resources.Object { return &corev1.ComponentStatus{} },   //nolint:staticcheck // still served
		NewList:       func() runtime.Object { return &corev1.ComponentStatusList{} }, //nolint:staticcheck // as above
		Report:        reportComponents,
		Deprecated:    "v1 ComponentStatus is deprecated in v1.19+",
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Status", "string", 0, "Status of the component conditions"),
			printers.Column("Message", "string", 0, "Message of the component conditions"),
			printers.Column("Error", "string", 0, "Error of the component conditions"),
		},
		Cells: resources.Cells(componentStatusCells),
	}
}

// reportComponents makes one object of each part, sorted by name as every list is.
func reportComponents(found []resources.Component) []resources.Object {
	var out []resources.Object
	for _, c := range found {
		out = append(out, &corev1.ComponentStatus{ //nolint:staticcheck // still served
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ComponentStatus"},
			ObjectMeta: metav1.ObjectMeta{Name: c.Name},
			Conditions: []corev1.ComponentCondition{{
				Type: corev1.ComponentHealthy, Status: c.Health, Message: c.Message, Error: c.Error,
			}},
		})
	}
	slices.SortFunc(out, func(a, b resources.Object) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out
}

// componentStatusCells tells Unknown from Unhealthy, which upstream's table does not.
func componentStatusCells(c *corev1.ComponentStatus, _ time.Time) []any { //nolint:staticcheck // still served
	for _, condition := range c.Conditions {
		if condition.Type != corev1.ComponentHealthy {
			continue
		}
		state := "Unhealthy"
		switch condition.Status {
		case corev1.ConditionTrue:
			state = "Healthy"
		case corev1.ConditionUnknown:
			state = "Unknown"
		}
		return []any{c.Name, state, condition.Message, condition.Error}
	}
	return []any{c.Name, "Unknown", "", ""}
}
