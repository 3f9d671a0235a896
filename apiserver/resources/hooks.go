package resources

import (
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The functions below turn a hook that is written for one Go type into a hook of the table, so that rows read without type
// assertions: Default: resources.Each(defaultDeployment). The old object is nil of that type where there is none.

// Each makes a hook of one object: Default.
func Each[T Object](hook func(T)) func(Object) {
	return func(obj Object) { hook(obj.(T)) }
}

// Pair makes a hook of an object and the one before it: Prepare.
func Pair[T Object](hook func(obj, old T)) func(Object, Object) {
	return func(obj, old Object) { hook(obj.(T), orZero[T](old)) }
}

// Check makes a hook that returns mistakes: Validate.
func Check[T Object](hook func(obj, old T) field.ErrorList) func(Object, Object) field.ErrorList {
	return func(obj, old Object) field.ErrorList { return hook(obj.(T), orZero[T](old)) }
}

// Warn makes a hook that returns warnings: Warn.
func Warn[T Object](hook func(obj, old T) []string) func(Object, Object) []string {
	return func(obj, old Object) []string { return hook(obj.(T), orZero[T](old)) }
}

// Stamp makes a hook that knows who writes, and when: Stamp.
func Stamp[T Object](hook func(obj, old T, w Write)) func(Object, Object, Write) {
	return func(obj, old Object, w Write) { hook(obj.(T), orZero[T](old), w) }
}

// Cells makes a hook that fills a row of the table of kubectl get: Cells.
func Cells[T Object](hook func(obj T, now time.Time) []any) func(Object, time.Time) []any {
	return func(obj Object, now time.Time) []any { return hook(obj.(T), now) }
}

// Of makes a hook that returns something of an object: Fields, MultiFields, Claims, Retire.
func Of[T Object, R any](hook func(T) R) func(Object) R {
	return func(obj Object) R { return hook(obj.(T)) }
}

// orZero is nil of the hook's type where there is no old object.
func orZero[T Object](old Object) T {
	if old == nil {
		var zero T
		return zero
	}
	return old.(T)
}
