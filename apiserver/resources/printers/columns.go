// Package printers makes the columns and cells of `kubectl get` (upstream's pkg/printers). A row names its columns in the order in which they
// are shown, and a function of the kind fills in as many cells; both are in the kind's file.
package printers

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// None, Unknown and Unset stand in a cell that has nothing to say.
const (
	None    = "<none>"
	Unknown = "<unknown>"
	Unset   = "<unset>"
)

// Column is one column of `kubectl get`; priority 1 is shown by -o wide only.
func Column(name, kind string, priority int32, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: kind, Priority: priority, Description: description}
}

// NameColumn is the column that -o name and the rows' identity rest on.
func NameColumn(priority int32) metav1.TableColumnDefinition {
	c := Column("Name", "string", priority, metav1.ObjectMeta{}.SwaggerDoc()["name"])
	c.Format = "name"
	return c
}

// AgeColumn is the column of Age.
func AgeColumn() metav1.TableColumnDefinition {
	return Column("Age", "string", 0, metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"])
}

// CreatedColumn is the second column of kinds for which upstream has no table of their own.
func CreatedColumn() metav1.TableColumnDefinition {
	return Column("Created At", "date", 0, metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"])
}

// TemplateColumns are what -o wide adds for everything that makes pods from a template.
func TemplateColumns(selector string) []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		Column("Containers", "string", 1, "Names of each container in the template."),
		Column("Images", "string", 1, "Images referenced by each container in the template."),
		Column("Selector", "string", 1, selector),
	}
}

// Age is the time since t as kubectl prints it: "5s", "3m20s", "2d".
func Age(t metav1.Time, now time.Time) string {
	if t.IsZero() {
		return Unknown
	}
	return duration.HumanDuration(now.Sub(t.Time))
}

// Created is a moment as the table of a kind without one of its own shows it.
func Created(t metav1.Time) string { return t.UTC().Format(time.RFC3339) }

// OrNone is s, or None where it is empty.
func OrNone(s string) string {
	if s == "" {
		return None
	}
	return s
}

// OrUnknown is s, or Unknown where it is empty.
func OrUnknown(s string) string {
	if s == "" {
		return Unknown
	}
	return s
}

// FirstThree joins the first three of a list and says how many more there are.
func FirstThree(list []string) string {
	const shown = 3
	if len(list) <= shown {
		return strings.Join(list, ",")
	}
	return fmt.Sprintf("%s + %d more...", strings.Join(list[:shown], ","), len(list)-shown)
}

// ContainerCells are the names and the images of a template's containers.
func ContainerCells(containers []corev1.Container) (names, images string) {
	var n, i []string
	for _, c := range containers {
		n, i = append(n, c.Name), append(i, c.Image)
	}
	return strings.Join(n, ","), strings.Join(i, ",")
}

// OrUnset is s, or Unset where it is empty.
func OrUnset(s string) string {
	if s == "" {
		return Unset
	}
	return s
}
