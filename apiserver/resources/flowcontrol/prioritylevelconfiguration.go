package flowcontrol

import (
	"fmt"
	"math"
	"time"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	flowcontrolv1beta3 "k8s.io/api/flowcontrol/v1beta3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func priorityLevelConfigurations() *resources.Resource {
	return &resources.Resource{
		Kind:          flowcontrolv1.SchemeGroupVersion.WithKind("PriorityLevelConfiguration"),
		Plural:        "prioritylevelconfigurations",
		ClusterScoped: true,
		New:           func() resources.Object { return &flowcontrolv1.PriorityLevelConfiguration{} },
		NewList:       func() runtime.Object { return &flowcontrolv1.PriorityLevelConfigurationList{} },
		Generation:    true,
		Subresources: []resources.Subresource{
			resources.Status(func(l, body *flowcontrolv1.PriorityLevelConfiguration) { l.Status = body.Status },
				func(l, _ *flowcontrolv1.PriorityLevelConfiguration) field.ErrorList { return validateLevelStatus(l) }, "metadata", "metadata.generateName"),
		},
		Default:  resources.Each(defaultLevel),
		Idle:     notAsked,
		Validate: resources.Check(func(l, _ *flowcontrolv1.PriorityLevelConfiguration) field.ErrorList { return validateLevel(l) }),
		Columns:  levelColumns(),
		Cells:    resources.Cells(levelCells),
	}
}

// What a level has where it does not say so.
const (
	defaultShares      = 30
	defaultHandSize    = 8
	defaultQueues      = 64
	defaultQueueLength = 50
)

func defaultLevel(l *flowcontrolv1.PriorityLevelConfiguration) {
	if limited := l.Spec.Limited; limited != nil {
		orElse(&limited.NominalConcurrencyShares, defaultShares)
		orElse(&limited.LendablePercent, 0)
		if q := limited.LimitResponse.Queuing; q != nil {
			if q.HandSize == 0 {
				q.HandSize = defaultHandSize
			}
			if q.Queues == 0 {
				q.Queues = defaultQueues
			}
			if q.QueueLengthLimit == 0 {
				q.QueueLengthLimit = defaultQueueLength
			}
		}
	}
	if exempt := l.Spec.Exempt; exempt != nil {
		orElse(&exempt.NominalConcurrencyShares, 0)
		orElse(&exempt.LendablePercent, 0)
	}
}

func orElse(value **int32, other int32) {
	if *value == nil {
		*value = &other
	}
}

func levelColumns() []metav1.TableColumnDefinition {
	queuing := flowcontrolv1.QueuingConfiguration{}.SwaggerDoc()
	return []metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Type", "string", 0, flowcontrolv1.PriorityLevelConfigurationSpec{}.SwaggerDoc()["type"]),
		printers.Column("NominalConcurrencyShares", "string", 0,
			flowcontrolv1.LimitedPriorityLevelConfiguration{}.SwaggerDoc()["nominalConcurrencyShares"]),
		printers.Column("Queues", "string", 0, queuing["queues"]),
		printers.Column("HandSize", "string", 0, queuing["handSize"]),
		printers.Column("QueueLengthLimit", "string", 0, queuing["queueLengthLimit"]),
		printers.AgeColumn(),
	}
}

func levelCells(l *flowcontrolv1.PriorityLevelConfiguration, now time.Time) []any {
	var shares, queues, hand, length any = printers.None, printers.None, printers.None, printers.None
	if limited := l.Spec.Limited; limited != nil {
		shares = int64(ptr.Deref(limited.NominalConcurrencyShares, 0))
		if q := limited.LimitResponse.Queuing; q != nil {
			queues, hand, length = int64(q.Queues), int64(q.HandSize), int64(q.QueueLengthLimit)
		}
	}
	return []any{l.Name, string(l.Spec.Type), shares, queues, hand, length, printers.Age(l.CreationTimestamp, now)}
}

func validateLevel(l *flowcontrolv1.PriorityLevelConfiguration) field.ErrorList {
	var errs field.ErrorList
	const beta = flowcontrolv1beta3.PriorityLevelPreserveZeroConcurrencySharesKey // it means something in v1beta3 alone
	if _, there := l.Annotations[beta]; there {
		errs = append(errs, field.Forbidden(field.NewPath("metadata", "annotations"), fmt.Sprintf("annotation '%s' is forbidden", beta)))
	}
	path, spec := field.NewPath("spec"), &l.Spec
	if exempt := spec.Type == flowcontrolv1.PriorityLevelEnablementExempt; exempt != (l.Name == flowcontrolv1.PriorityLevelConfigurationNameExempt) {
		errs = append(errs, field.Invalid(path.Child("type"), spec.Type, "must be 'Exempt' if and only if `name` is 'exempt'"))
	}
	errs = append(errs, validation.OneOf(path.Child("type"), spec.Type,
		flowcontrolv1.PriorityLevelEnablementExempt, flowcontrolv1.PriorityLevelEnablementLimited)...)
	limits := spec.Type == flowcontrolv1.PriorityLevelEnablementLimited
	errs = append(errs, onlyWhere(path.Child("limited"), spec.Limited != nil, limits, true)...)
	if spec.Limited != nil {
		errs = append(errs, validateLimited(path.Child("limited"), spec.Limited, limits)...)
	}
	exempts := spec.Type == flowcontrolv1.PriorityLevelEnablementExempt
	errs = append(errs, onlyWhere(path.Child("exempt"), spec.Exempt != nil, exempts, false)...)
	if e := spec.Exempt; exempts && e != nil {
		errs = append(errs, validateShares(path.Child("exempt"), e.NominalConcurrencyShares, e.LendablePercent)...)
	}
	errs = append(errs, validateFixedLevel(path, l)...)
	return append(errs, validateLevelStatus(l)...)
}

// onlyWhere takes a member of the spec where its type is that of the object, and there alone.
func onlyWhere(path *field.Path, there, belongs, required bool) field.ErrorList {
	switch {
	case there && !belongs:
		return field.ErrorList{field.Forbidden(path, "")}
	case !there && belongs && required:
		return field.ErrorList{field.Required(path, "")}
	}
	return nil
}

func validateShares(path *field.Path, shares, lendable *int32) field.ErrorList {
	var errs field.ErrorList
	if shares != nil && *shares < 0 {
		errs = append(errs, field.Invalid(path.Child("nominalConcurrencyShares"), *shares, "must be a non-negative integer"))
	}
	if lendable != nil && (*lendable < 0 || *lendable > 100) {
		errs = append(errs, field.Invalid(path.Child("lendablePercent"), *lendable, "must be between 0 and 100, inclusive"))
	}
	return errs
}

// validateLimited checks what a limited level says. Of one that is not limited, and should say nothing, upstream checks what its
// generated rules know of.
func validateLimited(path *field.Path, l *flowcontrolv1.LimitedPriorityLevelConfiguration, limits bool) field.ErrorList {
	at, response := path.Child("limitResponse"), &l.LimitResponse
	queues := response.Type == flowcontrolv1.LimitResponseTypeQueue
	errs := onlyWhere(at.Child("queuing"), response.Queuing != nil, queues, true)
	if response.Type == "" {
		errs = append(errs, field.Required(at.Child("type"), ""))
	}
	if !limits {
		return errs
	}
	if response.Type != "" {
		errs = append(errs, validation.OneOf(at.Child("type"), response.Type,
			flowcontrolv1.LimitResponseTypeQueue, flowcontrolv1.LimitResponseTypeReject)...)
	}
	errs = append(errs, validateShares(path, l.NominalConcurrencyShares, l.LendablePercent)...)
	if b := l.BorrowingLimitPercent; b != nil && *b < 0 {
		errs = append(errs, field.Invalid(path.Child("borrowingLimitPercent"), *b, "if specified, must be a non-negative integer"))
	}
	if queues && response.Queuing != nil {
		errs = append(errs, validateQueuing(at.Child("queuing"), response.Queuing)...)
	}
	return errs
}

const (
	maxQueues = 10_000_000
	// maxHashBits is how much a flow's hash has to say of the queues that are dealt to it.
	maxHashBits = 60
)

func validateQueuing(path *field.Path, q *flowcontrolv1.QueuingConfiguration) field.ErrorList {
	var errs field.ErrorList
	wrong := func(name string, value int32, message string) {
		errs = append(errs, field.Invalid(path.Child(name), value, message))
	}
	if q.QueueLengthLimit <= 0 {
		wrong("queueLengthLimit", q.QueueLengthLimit, "must be positive")
	}
	if q.Queues <= 0 {
		wrong("queues", q.Queues, "must be positive")
	} else if q.Queues > maxQueues {
		wrong("queues", q.Queues, fmt.Sprintf("must not be greater than %d", maxQueues))
	}
	bits := int(math.Ceil(math.Log2(float64(q.Queues)) * float64(q.HandSize)))
	switch {
	case q.HandSize <= 0:
		wrong("handSize", q.HandSize, "must be positive")
	case q.HandSize > q.Queues:
		wrong("handSize", q.HandSize, fmt.Sprintf("should not be greater than queues (%d)", q.Queues))
	case bits > maxHashBits:
		wrong("handSize", q.HandSize, fmt.Sprintf("required entropy bits of deckSize %d and handSize %d should not be greater than %d",
			q.Queues, q.HandSize, maxHashBits))
	}
	return errs
}

func validateLevelStatus(l *flowcontrolv1.PriorityLevelConfiguration) field.ErrorList {
	types := make([]flowcontrolv1.PriorityLevelConfigurationConditionType, len(l.Status.Conditions))
	for i, c := range l.Status.Conditions {
		types[i] = c.Type
	}
	return validateConditionTypes(types)
}
