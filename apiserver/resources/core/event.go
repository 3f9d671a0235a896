package core

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

// events is the row of events: one object that two groups serve under their own field names. It is stored as core/v1.
func events() *resources.Resource {
	return &resources.Resource{
		Kind:           corev1.SchemeGroupVersion.WithKind("Event"),
		Plural:         "events",
		NameOnce:       true,
		CreateOnUpdate: true,
		ShortNames:     []string{"ev"},
		New:            func() resources.Object { return &corev1.Event{} },
		NewList:        func() runtime.Object { return &corev1.EventList{} },
		Served: []resources.Served{{
			Kind:     eventsv1.SchemeGroupVersion.WithKind("Event"),
			New:      func() resources.Object { return &eventsv1.Event{} },
			NewList:  func() runtime.Object { return &eventsv1.EventList{} },
			From:     func(stored resources.Object) resources.Object { return toEventsV1(stored.(*corev1.Event)) },
			To:       func(served resources.Object) resources.Object { return fromEventsV1(served.(*eventsv1.Event)) },
			Validate: resources.Check(validateNewEvent),
		}},
		MetaLast: true,
		Validate: resources.Check(func(e, _ *corev1.Event) field.ErrorList { return validateEvent(e, "reportingComponent") }),
		Fields:   resources.Of(eventFields),
		Columns:  eventColumns(),
		Cells:    resources.Cells(eventCells),
		Quiet:    true,
	}
}

func toEventsV1(e *corev1.Event) *eventsv1.Event {
	out := &eventsv1.Event{
		ObjectMeta:               *e.ObjectMeta.DeepCopy(),
		EventTime:                e.EventTime,
		ReportingController:      e.ReportingController,
		ReportingInstance:        e.ReportingInstance,
		Action:                   e.Action,
		Reason:                   e.Reason,
		Regarding:                e.InvolvedObject,
		Related:                  e.Related.DeepCopy(),
		Note:                     e.Message,
		Type:                     e.Type,
		DeprecatedSource:         e.Source,
		DeprecatedFirstTimestamp: e.FirstTimestamp,
		DeprecatedLastTimestamp:  e.LastTimestamp,
		DeprecatedCount:          e.Count,
	}
	out.SetGroupVersionKind(eventsv1.SchemeGroupVersion.WithKind("Event"))
	if e.Series != nil {
		out.Series = &eventsv1.EventSeries{Count: e.Series.Count, LastObservedTime: e.Series.LastObservedTime}
	}
	return out
}

func fromEventsV1(e *eventsv1.Event) *corev1.Event {
	out := &corev1.Event{
		ObjectMeta:          *e.ObjectMeta.DeepCopy(),
		EventTime:           e.EventTime,
		ReportingController: e.ReportingController,
		ReportingInstance:   e.ReportingInstance,
		Action:              e.Action,
		Reason:              e.Reason,
		InvolvedObject:      e.Regarding,
		Related:             e.Related.DeepCopy(),
		Message:             e.Note,
		Type:                e.Type,
		Source:              e.DeprecatedSource,
		FirstTimestamp:      e.DeprecatedFirstTimestamp,
		LastTimestamp:       e.DeprecatedLastTimestamp,
		Count:               e.DeprecatedCount,
	}
	out.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Event"))
	if e.Series != nil {
		out.Series = &corev1.EventSeries{Count: e.Series.Count, LastObservedTime: e.Series.LastObservedTime}
	}
	return out
}

// How long the fields of an event of the new kind, one with an eventTime, may be (pkg/apis/core/validation/events.go).
const (
	maxEventWord = 128
	maxEventNote = 1024
)

// validateEvent holds an event to the namespace of what it is about; about nodes and the like, to the default one.
// Events with an eventTime say more, and are asked for it. The two groups name the controller's field differently.
func validateEvent(e *corev1.Event, controllerField string) field.ErrorList {
	var errs field.ErrorList
	about, mine := e.InvolvedObject.Namespace, e.Namespace
	namespace := field.NewPath("involvedObject", "namespace")
	const mismatch = "does not match event.namespace"
	if e.EventTime.IsZero() {
		if (about == "" && mine != "" && mine != metav1.NamespaceDefault) || (about != "" && about != mine) {
			errs = append(errs, field.Invalid(namespace, about, mismatch))
		}
		return errs
	}
	if about == "" && mine != metav1.NamespaceDefault && mine != metav1.NamespaceSystem {
		errs = append(errs, field.Invalid(namespace, about, mismatch))
	}
	controller := field.NewPath(controllerField)
	errs = append(errs, validation.Required(controller, e.ReportingController)...)
	errs = append(errs, validation.Invalid(controller, e.ReportingController, utilvalidation.IsQualifiedName(e.ReportingController))...)
	for _, word := range []struct{ name, value string }{
		{"reportingInstance", e.ReportingInstance}, {"action", e.Action}, {"reason", e.Reason},
	} {
		errs = append(errs, validation.Required(field.NewPath(word.name), word.value)...)
		if len(word.value) > maxEventWord {
			errs = append(errs, field.Invalid(field.NewPath(word.name), "", "can have at most 128 characters"))
		}
	}
	if len(e.Message) > maxEventNote {
		errs = append(errs, field.Invalid(field.NewPath("message"), "", "can have at most 1024 characters"))
	}
	return errs
}

// validateNewEvent checks what is written by way of events.k8s.io/v1: it has to be of the new kind, and an update changes nothing but
// its series. The fields are called by their names in core/v1 there as well (upstream).
func validateNewEvent(e, old *corev1.Event) field.ErrorList {
	errs := validateEvent(e, "reportingController")
	if old == nil || !reflect.DeepEqual(e.Series, old.Series) {
		errs = append(errs, validateSeries(e.Series)...)
	}
	if old != nil {
		return append(errs, sameEvent(e, old)...)
	}
	if e.EventTime.IsZero() {
		errs = append(errs, field.Required(field.NewPath("eventTime"), ""))
	}
	if e.Type != corev1.EventTypeNormal && e.Type != corev1.EventTypeWarning {
		errs = append(errs, field.Invalid(field.NewPath("type"), "", fmt.Sprintf("has invalid value: %v", e.Type)))
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"firstTimestamp", !e.FirstTimestamp.IsZero()}, {"lastTimestamp", !e.LastTimestamp.IsZero()}, {"count", e.Count != 0},
		{"source", e.Source != corev1.EventSource{}},
	} {
		if f.set {
			errs = append(errs, field.Invalid(field.NewPath(f.name), "", "needs to be unset"))
		}
	}
	return errs
}

func validateSeries(s *corev1.EventSeries) field.ErrorList {
	var errs field.ErrorList
	if s != nil && s.Count < 2 {
		errs = append(errs, field.Invalid(field.NewPath("series.count"), "", "should be at least 2"))
	}
	if s != nil && s.LastObservedTime.IsZero() {
		errs = append(errs, field.Required(field.NewPath("series.lastObservedTime"), ""))
	}
	return errs
}

// sameEvent keeps everything of an event but its metadata and its series.
func sameEvent(e, old *corev1.Event) field.ErrorList {
	var errs field.ErrorList
	for _, f := range []struct {
		name     string
		now, was any
	}{
		{"involvedObject", e.InvolvedObject, old.InvolvedObject}, {"reason", e.Reason, old.Reason}, {"message", e.Message, old.Message},
		{"source", e.Source, old.Source}, {"firstTimestamp", e.FirstTimestamp, old.FirstTimestamp},
		{"lastTimestamp", e.LastTimestamp, old.LastTimestamp}, {"count", e.Count, old.Count}, {"type", e.Type, old.Type},
		{"eventTime", microTime(e.EventTime), microTime(old.EventTime)},
		{"action", e.Action, old.Action}, {"related", e.Related, old.Related},
		{"reportingController", e.ReportingController, old.ReportingController},
		{"reportingInstance", e.ReportingInstance, old.ReportingInstance},
	} {
		errs = append(errs, validation.Immutable(field.NewPath(f.name), f.now, f.was)...)
	}
	return errs
}

// microTime is the time as far as JSON tells it.
func microTime(t metav1.MicroTime) metav1.MicroTime {
	return metav1.NewMicroTime(t.Truncate(time.Microsecond).UTC())
}

// eventFields has the fields under the names of both groups.
func eventFields(e *corev1.Event) fields.Set {
	source := e.Source.Component
	if source == "" {
		source = e.ReportingController
	}
	set := fields.Set{
		"reason": e.Reason, "type": e.Type, "source": source,
		"reportingComponent": e.ReportingController, "reportingController": e.ReportingController,
	}
	for _, prefix := range []string{"involvedObject.", "regarding."} {
		set[prefix+"kind"] = e.InvolvedObject.Kind
		set[prefix+"namespace"] = e.InvolvedObject.Namespace
		set[prefix+"name"] = e.InvolvedObject.Name
		set[prefix+"uid"] = string(e.InvolvedObject.UID)
		set[prefix+"apiVersion"] = e.InvolvedObject.APIVersion
		set[prefix+"resourceVersion"] = e.InvolvedObject.ResourceVersion
		set[prefix+"fieldPath"] = e.InvolvedObject.FieldPath
	}
	return set
}

func eventColumns() []metav1.TableColumnDefinition {
	doc := corev1.Event{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.Column("Last Seen", "string", 0, doc["lastTimestamp"]),
		printers.Column("Type", "string", 0, doc["type"]),
		printers.Column("Reason", "string", 0, doc["reason"]),
		printers.Column("Object", "string", 0, doc["involvedObject"]),
		printers.Column("Subobject", "string", 1, corev1.ObjectReference{}.SwaggerDoc()["fieldPath"]),
		printers.Column("Source", "string", 1, doc["source"]),
		printers.Column("Message", "string", 0, doc["message"]),
		printers.Column("First Seen", "string", 1, doc["firstTimestamp"]),
		printers.Column("Count", "string", 1, doc["count"]),
		printers.NameColumn(1),
	}
}

func eventCells(e *corev1.Event, now time.Time) []any {
	first := printers.Age(e.FirstTimestamp, now)
	if e.FirstTimestamp.IsZero() {
		first = printers.Age(metav1.Time(e.EventTime), now)
	}
	last, count := printers.Age(e.LastTimestamp, now), e.Count
	if e.LastTimestamp.IsZero() {
		last = first
	}
	if e.Series != nil {
		last, count = printers.Age(metav1.Time(e.Series.LastObservedTime), now), e.Series.Count
	} else if count == 0 {
		count = 1 // events of the new kind count only when they repeat
	}
	object := strings.ToLower(e.InvolvedObject.Kind)
	if e.InvolvedObject.Name != "" {
		object += "/" + e.InvolvedObject.Name
	}
	return []any{
		last, e.Type, e.Reason, object, e.InvolvedObject.FieldPath, eventSource(e), strings.TrimSpace(e.Message),
		first, int64(count), e.Name,
	}
}

// eventSource is the component that reported, and where it ran.
func eventSource(e *corev1.Event) string {
	component, instance := e.Source.Component, e.Source.Host
	if component == "" {
		component = e.ReportingController
	}
	if instance == "" {
		instance = e.ReportingInstance
	}
	if instance == "" {
		return component
	}
	return component + ", " + instance
}
