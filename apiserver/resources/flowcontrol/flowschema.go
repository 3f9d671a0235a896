package flowcontrol

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

// defaultPrecedence is how soon a schema is asked where it does not say so.
const defaultPrecedence = 1000

func flowSchemas() *resources.Resource {
	return &resources.Resource{
		Kind:          flowcontrolv1.SchemeGroupVersion.WithKind("FlowSchema"),
		Plural:        "flowschemas",
		ClusterScoped: true,
		New:           func() resources.Object { return &flowcontrolv1.FlowSchema{} },
		NewList:       func() runtime.Object { return &flowcontrolv1.FlowSchemaList{} },
		Generation:    true,
		Subresources: []resources.Subresource{
			resources.Status(func(s, body *flowcontrolv1.FlowSchema) { s.Status = body.Status },
				func(s, _ *flowcontrolv1.FlowSchema) field.ErrorList { return validateSchemaStatus(s) }, "metadata", "metadata.generateName"),
		},
		Default: resources.Each(func(s *flowcontrolv1.FlowSchema) {
			if s.Spec.MatchingPrecedence == 0 {
				s.Spec.MatchingPrecedence = defaultPrecedence
			}
		}),
		Idle:     notAsked,
		Validate: resources.Check(func(s, _ *flowcontrolv1.FlowSchema) field.ErrorList { return validateFlowSchema(s) }),
		Columns:  schemaColumns(),
		Cells:    resources.Cells(schemaCells),
		Order: func(a, b resources.Object) int {
			x, y := a.(*flowcontrolv1.FlowSchema), b.(*flowcontrolv1.FlowSchema)
			return cmp.Or(cmp.Compare(x.Spec.MatchingPrecedence, y.Spec.MatchingPrecedence), strings.Compare(x.Name, y.Name))
		},
	}
}

func schemaColumns() []metav1.TableColumnDefinition {
	spec := flowcontrolv1.FlowSchemaSpec{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("PriorityLevel", "string", 0, flowcontrolv1.PriorityLevelConfigurationReference{}.SwaggerDoc()["name"]),
		printers.Column("MatchingPrecedence", "string", 0, spec["matchingPrecedence"]),
		printers.Column("DistinguisherMethod", "string", 0, spec["distinguisherMethod"]),
		printers.AgeColumn(),
		printers.Column("MissingPL", "string", 0, "references a broken or non-existent PriorityLevelConfiguration"),
	}
}

func schemaCells(s *flowcontrolv1.FlowSchema, now time.Time) []any {
	distinguisher, missing := printers.None, "?"
	if d := s.Spec.DistinguisherMethod; d != nil {
		distinguisher = string(d.Type)
	}
	for _, c := range s.Status.Conditions {
		if c.Type == flowcontrolv1.FlowSchemaConditionDangling {
			missing = string(c.Status)
			break
		}
	}
	return []any{s.Name, s.Spec.PriorityLevelConfiguration.Name, int64(s.Spec.MatchingPrecedence), distinguisher,
		printers.Age(s.CreationTimestamp, now), missing}
}

func validateFlowSchema(s *flowcontrolv1.FlowSchema) field.ErrorList {
	path, spec := field.NewPath("spec"), &s.Spec
	var errs field.ErrorList
	precedence := func(wrong bool, message string) {
		if wrong {
			errs = append(errs, field.Invalid(path.Child("matchingPrecedence"), spec.MatchingPrecedence, message))
		}
	}
	precedence(spec.MatchingPrecedence <= 0, "must be a positive value")
	precedence(spec.MatchingPrecedence > flowcontrolv1.FlowSchemaMaxMatchingPrecedence,
		fmt.Sprintf("must not be greater than %v", flowcontrolv1.FlowSchemaMaxMatchingPrecedence))
	precedence(spec.MatchingPrecedence == 1 && s.Name != flowcontrolv1.FlowSchemaNameExempt,
		"only the schema named 'exempt' may have matchingPrecedence 1")
	const byUser, byNamespace = flowcontrolv1.FlowDistinguisherMethodByUserType, flowcontrolv1.FlowDistinguisherMethodByNamespaceType
	if d := spec.DistinguisherMethod; d != nil && d.Type != byUser && d.Type != byNamespace {
		errs = append(errs, unsupported(path.Child("distinguisherMethod", "type"), d, string(byNamespace), string(byUser)))
	}
	if level := path.Child("priorityLevelConfiguration", "name"); spec.PriorityLevelConfiguration.Name == "" {
		errs = append(errs, field.Required(level, "must reference a priority level"))
	} else {
		errs = append(errs, validation.DNSSubdomain(level, spec.PriorityLevelConfiguration.Name)...)
	}
	for i := range spec.Rules {
		errs = append(errs, validateRule(path.Child("rules").Index(i), &spec.Rules[i])...)
	}
	errs = append(errs, validateFixedSchema(path, s)...)
	return append(errs, validateSchemaStatus(s)...)
}

func validateSchemaStatus(s *flowcontrolv1.FlowSchema) field.ErrorList {
	types := make([]flowcontrolv1.FlowSchemaConditionType, len(s.Status.Conditions))
	for i, c := range s.Status.Conditions {
		types[i] = c.Type
	}
	return validateConditionTypes(types)
}

// validateConditionTypes takes each type of condition once.
func validateConditionTypes[T ~string](types []T) field.ErrorList {
	path := field.NewPath("status", "conditions")
	var errs field.ErrorList
	for i, t := range types {
		if slices.Contains(types[:i], t) {
			errs = append(errs, field.Duplicate(path.Index(i).Child("type"), t))
		}
		errs = append(errs, validation.Required(path.Index(i).Child("type"), string(t))...)
	}
	return errs
}

// unsupported shows the whole value of which something is not supported, as upstream does.
func unsupported(path *field.Path, value any, supported ...string) *field.Error {
	err := field.NotSupported(path, "", supported)
	err.BadValue = value
	return err
}
