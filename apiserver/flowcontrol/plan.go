package flowcontrol

import (
	"fmt"
	"strconv"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suggested "minik.dev/apiserver/resources/flowcontrol"
)

// plan is what has to be written.
type plan struct {
	levels  changes[*flowcontrolv1.PriorityLevelConfiguration]
	schemas changes[*flowcontrolv1.FlowSchema]
}

// changes are the objects of a kind to create, to update as they are given here, and to delete.
type changes[T metav1.Object] struct{ create, update, remove []T }

func (c changes[T]) empty() bool { return len(c.create)+len(c.update)+len(c.remove) == 0 }

// planConfiguration compares what is there with what every cluster has.
func planConfiguration(levels []flowcontrolv1.PriorityLevelConfiguration, schemas []flowcontrolv1.FlowSchema) plan {
	var p plan
	p.levels = compare(levels, suggested.Levels(), func(have, want *flowcontrolv1.PriorityLevelConfiguration) bool {
		if exempt := have.Spec.Exempt; want.Spec.Exempt != nil && exempt != nil {
			want.Spec.Exempt = exempt // how much the exempt level lends is for administrators to say
		}
		return equality.Semantic.DeepEqual(have.Spec, want.Spec)
	}, func(have, want *flowcontrolv1.PriorityLevelConfiguration) { have.Spec = want.Spec })
	p.schemas = compare(schemas, suggested.Schemas(), func(have, want *flowcontrolv1.FlowSchema) bool {
		return equality.Semantic.DeepEqual(have.Spec, want.Spec)
	}, func(have, want *flowcontrolv1.FlowSchema) { have.Spec = want.Spec })
	return p
}

// object is a pointer to a T with metadata.
type object[T any] interface {
	*T
	metav1.Object
	DeepCopy() *T
}

// compare plans the changes of one kind; same tells whether the specs are equal, and take writes the second one into the first.
func compare[T any, P object[T]](have []T, want []P, same func(have, want P) bool, take func(have, want P)) changes[P] {
	var c changes[P]
	named := map[string]P{}
	for i := range have {
		p := P(&have[i])
		named[p.GetName()] = p
	}
	for _, w := range want {
		h := named[w.GetName()]
		delete(named, w.GetName())
		if h == nil {
			c.create = append(c.create, w)
			continue
		}
		follows := suggested.Fixed(w.GetName()) || followed(h)
		differs := follows && !same(h, w)
		if !differs && says(h, follows) {
			continue
		}
		revised := P(h.DeepCopy())
		if differs {
			take(revised, w)
		}
		mark(revised, follows)
		c.update = append(c.update, revised)
	}
	for i := range have { // in the order of the list
		if p := P(&have[i]); named[p.GetName()] != nil && says(p, true) {
			c.remove = append(c.remove, p)
		}
	}
	return c
}

// followed reports whether the object's spec follows what is suggested: as it says itself, or because nobody has changed it.
func followed(obj metav1.Object) bool {
	if follows, err := strconv.ParseBool(obj.GetAnnotations()[flowcontrolv1.AutoUpdateAnnotationKey]); err == nil {
		return follows
	}
	return obj.GetGeneration() == 1
}

// says reports whether the object's annotation is there, and says so.
func says(obj metav1.Object, follows bool) bool {
	said, err := strconv.ParseBool(obj.GetAnnotations()[flowcontrolv1.AutoUpdateAnnotationKey])
	return err == nil && said == follows
}

func mark(obj metav1.Object, follows bool) {
	annotations := map[string]string{}
	for key, value := range obj.GetAnnotations() {
		annotations[key] = value
	}
	annotations[flowcontrolv1.AutoUpdateAnnotationKey] = strconv.FormatBool(follows)
	obj.SetAnnotations(annotations)
}

// condition is what a FlowSchema should say of its level.
type condition struct {
	schema string
	flowcontrolv1.FlowSchemaCondition
}

// planConditions are those that are not said yet.
func planConditions(levels []flowcontrolv1.PriorityLevelConfiguration, schemas []flowcontrolv1.FlowSchema, now metav1.Time) []condition {
	there := map[string]bool{}
	for i := range levels {
		there[levels[i].Name] = true
	}
	var out []condition
	for i := range schemas {
		s := &schemas[i]
		level := s.Spec.PriorityLevelConfiguration.Name
		wanted := flowcontrolv1.FlowSchemaCondition{
			Type: flowcontrolv1.FlowSchemaConditionDangling, Status: flowcontrolv1.ConditionFalse, LastTransitionTime: now, Reason: "Found",
			Message: fmt.Sprintf("This FlowSchema references the PriorityLevelConfiguration object named %q and it exists", level),
		}
		if !there[level] {
			wanted.Status, wanted.Reason = flowcontrolv1.ConditionTrue, "NotFound"
			wanted.Message = fmt.Sprintf("This FlowSchema references the PriorityLevelConfiguration object named %q but there is no such object", level)
		}
		if !said(s.Status.Conditions, wanted) {
			out = append(out, condition{s.Name, wanted})
		}
	}
	return out
}

// said reports whether the condition is among those that are there, whenever it came to be.
func said(conditions []flowcontrolv1.FlowSchemaCondition, wanted flowcontrolv1.FlowSchemaCondition) bool {
	for _, c := range conditions {
		c.LastTransitionTime = wanted.LastTransitionTime
		if c == wanted {
			return true
		}
	}
	return false
}
