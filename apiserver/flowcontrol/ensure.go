package flowcontrol

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applyflowcontrolv1 "k8s.io/client-go/applyconfigurations/flowcontrol/v1"
	flowcontrolv1client "k8s.io/client-go/kubernetes/typed/flowcontrol/v1"
)

// Who writes the objects, and who their conditions, as upstream calls them.
const (
	producer = "api-priority-and-fairness-config-producer-v1"
	consumer = "api-priority-and-fairness-config-consumer-v1"
)

// Ensure makes the configuration what it should be, and then says in each FlowSchema whether its level is there. It writes nothing where
// all is right already.
func Ensure(ctx context.Context, client flowcontrolv1client.FlowcontrolV1Interface, now metav1.Time) error {
	levels, schemas := client.PriorityLevelConfigurations(), client.FlowSchemas()
	haveLevels, err := levels.List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing priority levels: %w", err)
	}
	haveSchemas, err := schemas.List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing flow schemas: %w", err)
	}
	p := planConfiguration(haveLevels.Items, haveSchemas.Items)
	group, writing := errgroup.WithContext(ctx)
	carryOut(writing, group, p.levels, levels)
	carryOut(writing, group, p.schemas, schemas)
	if err := group.Wait(); err != nil {
		return err //nolint:wrapcheck // it says what was tried
	}
	if !p.levels.empty() || !p.schemas.empty() {
		if haveLevels, err = levels.List(ctx, metav1.ListOptions{}); err != nil {
			return fmt.Errorf("listing priority levels again: %w", err)
		}
		if haveSchemas, err = schemas.List(ctx, metav1.ListOptions{}); err != nil {
			return fmt.Errorf("listing flow schemas again: %w", err)
		}
	}
	group, writing = errgroup.WithContext(ctx)
	for _, c := range planConditions(haveLevels.Items, haveSchemas.Items, now) {
		group.Go(func() error { return say(writing, schemas, c) })
	}
	return group.Wait() //nolint:wrapcheck // it says what was tried
}

// writer is what the two kinds' clients have in common.
type writer[T any] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}

// carryOut begins every change. What somebody else has made, changed or deleted in between is looked at again later.
func carryOut[T metav1.Object](ctx context.Context, group *errgroup.Group, c changes[T], client writer[T]) {
	write := func(what string, obj T, do func() error) {
		group.Go(func() error {
			err := do()
			if err == nil || apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("%s %T %s: %w", what, obj, obj.GetName(), err)
		})
	}
	for _, obj := range c.create {
		write("creating", obj, func() error {
			_, err := client.Create(ctx, obj, metav1.CreateOptions{FieldManager: producer})
			return err
		})
	}
	for _, obj := range c.update {
		write("updating", obj, func() error {
			_, err := client.Update(ctx, obj, metav1.UpdateOptions{FieldManager: producer})
			return err
		})
	}
	for _, obj := range c.remove {
		write("deleting", obj, func() error { return client.Delete(ctx, obj.GetName(), metav1.DeleteOptions{}) })
	}
}

// say writes the condition into the status of its schema.
func say(ctx context.Context, client flowcontrolv1client.FlowSchemaInterface, c condition) error {
	_, err := client.ApplyStatus(ctx, applyflowcontrolv1.FlowSchema(c.schema).WithStatus(applyflowcontrolv1.FlowSchemaStatus().WithConditions(
		applyflowcontrolv1.FlowSchemaCondition().WithType(c.Type).WithStatus(c.Status).WithReason(c.Reason).WithMessage(c.Message).
			WithLastTransitionTime(c.LastTransitionTime))), metav1.ApplyOptions{FieldManager: consumer, Force: true})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("saying whether the level of flow schema %s is there: %w", c.schema, err)
	}
	return nil
}
