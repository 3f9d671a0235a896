package loop

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/tools/reference"
	"k8s.io/utils/clock"
)

// maxWaitingEvents bounds the events of one controller that wait to be written. One that finds the line full is dropped,
// as upstream's recorder does: an event is a courtesy and never holds up the work.
const maxWaitingEvents = 1000

// Events writes the Events of one controller, one after the other and beside its work. Upstream's correlator counts
// repetitions, folds many similar events into one and drops a flood: 25 events at once for one object, then one in five
// minutes.
//
// It stands in for client-go's record.EventRecorder, whose clock and goroutines cannot be given from outside.
type Events struct {
	component string
	client    kubernetes.Interface
	clock     clock.PassiveClock
	logger    *slog.Logger
	waiting   chan *corev1.Event

	mu     sync.Mutex
	serial int64 // makes the names of events different from each other
}

func newEvents(component string, client kubernetes.Interface, c clock.PassiveClock, logger *slog.Logger) *Events {
	return &Events{
		component: component, client: client, clock: c, logger: logger,
		waiting: make(chan *corev1.Event, maxWaitingEvents),
	}
}

// Normal records an event of type Normal about the object.
func (e *Events) Normal(about runtime.Object, reason, format string, args ...any) {
	e.Record(about, corev1.EventTypeNormal, reason, fmt.Sprintf(format, args...))
}

// Warning records an event of type Warning about the object.
func (e *Events) Warning(about runtime.Object, reason, format string, args ...any) {
	e.Record(about, corev1.EventTypeWarning, reason, fmt.Sprintf(format, args...))
}

// Record records an event about the object; kind is Normal or Warning.
func (e *Events) Record(about runtime.Object, kind, reason, message string) {
	ref, err := reference.GetReference(scheme.Scheme, about)
	if err != nil {
		e.logger.Error("an event names no object that can be referred to", "event", reason, "reason", err)
		return
	}
	select {
	case e.waiting <- e.event(ref, kind, reason, message):
	default:
		e.logger.Debug("dropped an event: too many wait to be written", "event", reason, "object", ref.Name)
	}
}

func (e *Events) event(ref *corev1.ObjectReference, kind, reason, message string) *corev1.Event {
	now := metav1.NewTime(e.clock.Now())
	namespace := ref.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	e.mu.Lock()
	e.serial++
	name := fmt.Sprintf("%s.%x", ref.Name, now.UnixNano()+e.serial)
	e.mu.Unlock()
	return &corev1.Event{
		ObjectMeta:          metav1.ObjectMeta{Name: name, Namespace: namespace},
		InvolvedObject:      *ref,
		Reason:              reason,
		Message:             message,
		Type:                kind,
		Count:               1,
		FirstTimestamp:      now,
		LastTimestamp:       now,
		Source:              corev1.EventSource{Component: e.component},
		ReportingController: e.component,
	}
}

// run writes what is recorded until ctx ends.
func (e *Events) run(ctx context.Context) {
	correlator := record.NewEventCorrelatorWithOptions(record.CorrelatorOptions{Clock: e.clock})
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-e.waiting:
			if err := e.write(ctx, correlator, event); err != nil && ctx.Err() == nil {
				e.logger.Debug("an event was not written", "event", event.Reason, "object", event.InvolvedObject.Name,
					"reason", err)
			}
		}
	}
}

func (e *Events) write(ctx context.Context, correlator *record.EventCorrelator, event *corev1.Event) error {
	result, err := correlator.EventCorrelate(event)
	if err != nil || result.Skip {
		return err
	}
	client := e.client.CoreV1().Events(result.Event.Namespace)
	var written *corev1.Event
	repeated := result.Event.Count > 1
	if repeated {
		written, err = client.Patch(ctx, result.Event.Name, types.StrategicMergePatchType, result.Patch,
			metav1.PatchOptions{})
	}
	// The event that is counted up may have expired since.
	if !repeated || apierrors.IsNotFound(err) {
		result.Event.ResourceVersion = ""
		written, err = client.Create(ctx, result.Event, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("writing event %s of %s: %w", event.Reason, event.InvolvedObject.Name, err)
	}
	correlator.UpdateState(written)
	return nil
}
