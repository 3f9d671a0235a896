package resources

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// none, unknown and unset stand in a cell that has nothing to say.
const (
	none    = "<none>"
	unknown = "<unknown>"
	unset   = "<unset>"
)

// column is one column of `kubectl get`; priority 1 is shown by -o wide only.
func column(name, kind string, priority int32, description string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: kind, Priority: priority, Description: description}
}

// nameColumn is the column that -o name and the rows' identity rest on.
func nameColumn(priority int32) metav1.TableColumnDefinition {
	c := column("Name", "string", priority, metav1.ObjectMeta{}.SwaggerDoc()["name"])
	c.Format = "name"
	return c
}

func ageColumn() metav1.TableColumnDefinition {
	return column("Age", "string", 0, metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"])
}

// createdColumn is the second column of kinds for which upstream has no table of their own.
func createdColumn() metav1.TableColumnDefinition {
	return column("Created At", "date", 0, metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"])
}

// templateColumns are what -o wide adds for everything that makes pods from a template.
func templateColumns(selector string) []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		column("Containers", "string", 1, "Names of each container in the template."),
		column("Images", "string", 1, "Images referenced by each container in the template."),
		column("Selector", "string", 1, selector),
	}
}

// age is the time since t as kubectl prints it: "5s", "3m20s", "2d".
func age(t metav1.Time, now time.Time) string {
	if t.IsZero() {
		return unknown
	}
	return duration.HumanDuration(now.Sub(t.Time))
}

// created is a moment as the table of a kind without one of its own shows it.
func created(t metav1.Time) string { return t.UTC().Format(time.RFC3339) }

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}

// atMost joins the first three of a list and says how many more there are.
func atMost(list []string) string {
	const shown = 3
	if len(list) <= shown {
		return strings.Join(list, ",")
	}
	return fmt.Sprintf("%s + %d more...", strings.Join(list[:shown], ","), len(list)-shown)
}

// containerCells are the names and the images of a template's containers.
func containerCells(containers []corev1.Container) (names, images string) {
	var n, i []string
	for _, c := range containers {
		n, i = append(n, c.Name), append(i, c.Image)
	}
	return strings.Join(n, ","), strings.Join(i, ",")
}

func orUnset(s string) string {
	if s == "" {
		return "<unset>"
	}
	return s
}
