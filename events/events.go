package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/tools/record/util"
	"k8s.io/client-go/tools/reference"
	"k8s.io/utils/clock"
)

// Upstream's bounds (client-go's tools/record): how many Events of one component wait at most, how often one is tried
// while the API server cannot be reached, and how long after the last time.
const (
	mostWaiting = 1000
	mostTries   = 12
	triedAfter  = 10 * time.Second
)

// lastWrites is how long a Writer goes on after its context has ended.
const lastWrites = time.Second

// noteAtMost bounds the note of an Event of events.k8s.io/v1, in bytes, as its validation does; a longer one ends in " ...".
const noteAtMost = 1024

// Event is what there is to tell of an object.
type Event struct {
	// Type is corev1.EventTypeNormal or corev1.EventTypeWarning.
	Type string
	// Reason is a word for programs, Message a sentence for people.
	Reason, Message string
}

// Normal is an Event about something that goes as it should.
func Normal(reason, format string, args ...any) Event {
	return Event{corev1.EventTypeNormal, reason, fmt.Sprintf(format, args...)}
}

// Warning is an Event about something that somebody should look at.
func Warning(reason, format string, args ...any) Event {
	return Event{corev1.EventTypeWarning, reason, fmt.Sprintf(format, args...)}
}

// Writer writes the Events of one component. It is safe for concurrent use.
type Writer struct {
	client  kubernetes.Interface
	source  corev1.EventSource
	clock   clock.Clock
	logger  *slog.Logger
	waiting chan *corev1.Event

	mu   sync.Mutex
	last int64 // what made the name of the last Event its own, in nanoseconds of the clock or later
}

// New makes a writer whose Events are from source: its component is the reportingController, its host, where there is one,
// the reportingInstance. It starts nothing.
func New(client kubernetes.Interface, source corev1.EventSource, clock clock.Clock, logger *slog.Logger) *Writer {
	return &Writer{client: client, source: source, clock: clock, logger: logger, waiting: make(chan *corev1.Event, mostWaiting)}
}

// Normal records an Event of type Normal about the object.
func (w *Writer) Normal(about runtime.Object, reason, format string, args ...any) {
	w.Record(about, Normal(reason, format, args...))
}

// Warning records an Event of type Warning about the object.
func (w *Writer) Warning(about runtime.Object, reason, format string, args ...any) {
	w.Record(about, Warning(reason, format, args...))
}

// Record has Run write the Event about the object, which may be a *corev1.ObjectReference.
func (w *Writer) Record(about runtime.Object, e Event) {
	event, ok := w.event(about, e)
	if !ok {
		return
	}
	select {
	case w.waiting <- &event:
	default:
		w.logger.Debug("dropped an event: too many wait to be written", "event", e.Reason, "object", event.InvolvedObject.Name)
	}
}

// Write writes the Event now. One that cannot be written is lost, as Events may be.
func (w *Writer) Write(ctx context.Context, about runtime.Object, e Event) {
	if event, ok := w.event(about, e); ok {
		_, err := w.client.CoreV1().Events(event.Namespace).Create(ctx, &event, metav1.CreateOptions{})
		w.done(e.Reason, event.InvolvedObject, err)
	}
}

// WriteV1 is Write for events.k8s.io/v1, whose Events say what the component did or tried to do as well. Source must have
// a host.
func (w *Writer) WriteV1(ctx context.Context, about runtime.Object, action string, e Event) {
	event, ok := w.event(about, e)
	if !ok {
		return
	}
	note := e.Message
	if len(note) > noteAtMost {
		note = strings.ToValidUTF8(note[:noteAtMost-4], "") + " ..."
	}
	_, err := w.client.EventsV1().Events(event.Namespace).Create(ctx, &eventsv1.Event{
		ObjectMeta:          event.ObjectMeta,
		EventTime:           metav1.NewMicroTime(event.FirstTimestamp.Time),
		ReportingController: event.ReportingController,
		ReportingInstance:   event.ReportingInstance,
		Action:              action,
		Reason:              e.Reason,
		Regarding:           event.InvolvedObject,
		Note:                note,
		Type:                e.Type,
	}, metav1.CreateOptions{})
	w.done(e.Reason, event.InvolvedObject, err)
}

// event is the Event as the core group has it; false where the object cannot be referred to. Whatever the clock shows, this
// writer has never given its name before.
func (w *Writer) event(about runtime.Object, e Event) (event corev1.Event, ok bool) {
	ref, err := reference.GetReference(scheme.Scheme, about)
	if err != nil {
		w.logger.Error("an event names no object that can be referred to", "event", e.Reason, "reason", err)
		return event, false
	}
	now := metav1.NewTime(w.clock.Now())
	w.mu.Lock()
	w.last = max(w.last+1, now.UnixNano())
	own := w.last
	w.mu.Unlock()
	return corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Name: util.GenerateEventName(ref.Name, own), Namespace: cmp.Or(ref.Namespace, metav1.NamespaceDefault),
		},
		InvolvedObject:      *ref,
		Reason:              e.Reason,
		Message:             e.Message,
		Source:              w.source,
		FirstTimestamp:      now,
		LastTimestamp:       now,
		Count:               1,
		Type:                e.Type,
		ReportingController: w.source.Component,
		ReportingInstance:   w.source.Host,
	}, true
}

func (w *Writer) done(reason string, about corev1.ObjectReference, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		w.logger.Debug("an event was not written", "event", reason, "namespace", about.Namespace, "object", about.Name,
			"reason", err)
	}
}

// Run writes what is recorded until ctx ends, and then what is in line, for lastWrites at most.
func (w *Writer) Run(ctx context.Context) {
	correlator := record.NewEventCorrelatorWithOptions(record.CorrelatorOptions{Clock: w.clock})
	writes, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		last, done := context.WithTimeout(writes, lastWrites)
		defer done()
		<-last.Done()
		cancel()
	})()
	for {
		select {
		case event := <-w.waiting:
			w.deliver(ctx, writes, correlator, event)
		case <-ctx.Done():
			for len(w.waiting) > 0 {
				w.deliver(ctx, writes, correlator, <-w.waiting)
			}
			return
		}
	}
}

// deliver writes what the correlator makes of an Event. While ctx lasts, it waits for an API server that does not answer.
func (w *Writer) deliver(ctx, writes context.Context, correlator *record.EventCorrelator, event *corev1.Event) {
	result, err := correlator.EventCorrelate(event)
	if err == nil && !result.Skip {
		err = w.write(writes, correlator, result)
		for tries := 1; err != nil && !answered(err) && tries < mostTries && w.pause(ctx); tries++ {
			err = w.write(writes, correlator, result)
		}
	}
	w.done(event.Reason, event.InvolvedObject, err)
}

func (w *Writer) write(ctx context.Context, correlator *record.EventCorrelator, result *record.EventCorrelateResult) error {
	event, client := result.Event, w.client.CoreV1().Events(result.Event.Namespace)
	var written *corev1.Event
	var err error
	repeated := event.Count > 1
	if repeated {
		written, err = client.Patch(ctx, event.Name, types.StrategicMergePatchType, result.Patch, metav1.PatchOptions{})
	}
	// The Event that is counted up may have expired since.
	if !repeated || apierrors.IsNotFound(err) {
		event.ResourceVersion = ""
		written, err = client.Create(ctx, event, metav1.CreateOptions{})
	}
	if err == nil {
		correlator.UpdateState(written)
	}
	return err
}

// answered tells what the API server refuses from what has not reached it, as upstream does: only the latter is tried again.
func answered(err error) bool {
	var refused *apierrors.StatusError
	var unsent *rest.RequestConstructionError
	return errors.As(err, &refused) || errors.As(err, &unsent)
}

// pause waits before another try; false when ctx has ended.
func (w *Writer) pause(ctx context.Context) bool {
	timer := w.clock.NewTimer(triedAfter)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}
