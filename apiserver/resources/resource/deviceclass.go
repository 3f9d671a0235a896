package resource

import (
	"time"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

func deviceClasses() *resources.Resource {
	return &resources.Resource{
		Kind:          resourcev1.SchemeGroupVersion.WithKind("DeviceClass"),
		Plural:        "deviceclasses",
		ClusterScoped: true,
		New:           func() resources.Object { return &resourcev1.DeviceClass{} },
		NewList:       func() runtime.Object { return &resourcev1.DeviceClassList{} },
		ReturnDeleted: true,
		Name:          className,
		Generation:    true,
		Default: resources.Each(func(c *resourcev1.DeviceClass) {
			for i := range c.Spec.Config {
				readable(&c.Spec.Config[i].DeviceConfiguration)
			}
		}),
		Idle:     "the scheduler gives no pod a device of it",
		Validate: resources.Check(validateDeviceClass),
		Warn: resources.Warn(func(c, _ *resourcev1.DeviceClass) []string {
			return warnSelectors(field.NewPath("spec", "selectors"), c.Spec.Selectors)
		}),
		Columns: []metav1.TableColumnDefinition{printers.NameColumn(0), printers.AgeColumn()},
		Cells: resources.Cells(func(c *resourcev1.DeviceClass, now time.Time) []any {
			return []any{c.Name, printers.Age(c.CreationTimestamp, now)}
		}),
	}
}

// className checks a name in the words of upstream's generated check, which does not ask what a name begins with.
func className(name string, prefix bool) []string {
	if prefix {
		return nil
	}
	return content.IsDNS1123Subdomain(name)
}
