// Package defaults has what the Default hooks of several API groups share. It fills in one field at a time; which fields a kind fills in,
// and with what, is in the kind's file, and for pods in podspec/default.go.
package defaults

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// RoundUp rounds quantities up to the thousandth, which is the finest that is stored.
func RoundUp(list corev1.ResourceList) {
	for name, quantity := range list {
		quantity.RoundUp(resource.Milli)
		list[name] = quantity
	}
}

// Fill fills in what was left at its zero value.
func Fill[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}
