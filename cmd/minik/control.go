package main

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"

	"minik.dev/api"
)

// editControl changes the control of a component, which is made where there is none yet, and returns what is stored then.
// A change that changes nothing is not written.
func editControl(ctx context.Context, client rest.Interface, component string,
	change func(*api.Control)) (*api.Control, error) {
	name := api.ControlName(component)
	var stored *api.Control
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		control, found, err := getControl(ctx, client, name)
		if err != nil {
			return err
		}
		before := control.Spec
		change(control)
		if found && control.Spec == before {
			stored = control
			return nil
		}
		stored = &api.Control{}
		if !found {
			return client.Post().Resource("controls").Body(control).Do(ctx).Into(stored)
		}
		return client.Put().Resource("controls").Name(name).Body(control).Do(ctx).Into(stored)
	})
	if err != nil {
		return nil, fmt.Errorf("writing control %s: %w", name, err)
	}
	return stored, nil
}

// getControl reads a control; where there is none, it is an empty one of the name.
func getControl(ctx context.Context, client rest.Interface, name string) (*api.Control, bool, error) {
	control := &api.Control{}
	err := client.Get().Resource("controls").Name(name).Do(ctx).Into(control)
	if apierrors.IsNotFound(err) {
		return &api.Control{ObjectMeta: metav1.ObjectMeta{Name: name}}, false, nil
	}
	return control, true, err
}
