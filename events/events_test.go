package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"

	"minik.dev/journal"
)

var (
	noon   = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	source = corev1.EventSource{Component: "kubelet", Host: "node-1"}
)

func pod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: name, UID: types.UID("uid-" + name), ResourceVersion: "7"}}
}

// desk is a writer with a fake API server, a fake clock and a log that is kept.
type desk struct {
	*testing.T
	*Writer
	client *fake.Clientset
	clock  *clocktesting.FakeClock
	log    bytes.Buffer // read when the writer rests
}

func newDesk(t *testing.T) *desk {
	d := &desk{T: t, client: fake.NewSimpleClientset(), clock: clocktesting.NewFakeClock(noon)}
	logger := slog.New(slog.NewTextHandler(&d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d.Writer = New(d.client, source, d.clock, logger)
	return d
}

// run runs the writer until the test ends, or until what it returns is called.
func (d *desk) run() (stop func()) {
	ctx, cancel := context.WithCancel(d.Context())
	var running sync.WaitGroup
	running.Go(func() { d.Writer.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	d.Cleanup(stop)
	return stop
}

// written are the Events in the API once all that can be written is, in the order of their making.
func (d *desk) written() []corev1.Event {
	d.Helper()
	synctest.Wait()
	list, err := d.client.CoreV1().Events("").List(context.Background(), metav1.ListOptions{})
	require.NoError(d, err)
	slices.SortFunc(list.Items, func(a, b corev1.Event) int { return a.FirstTimestamp.Compare(b.FirstTimestamp.Time) })
	return list.Items
}

func TestWhatARecordedEventSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.run()
		d.Warning(pod("web"), "Failed", "Error: %s", "no")
		got := d.written()
		require.Len(t, got, 1)
		require.Equal(t, corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("web.%x", noon.UnixNano())},
			InvolvedObject: corev1.ObjectReference{
				Kind: "Pod", APIVersion: "v1", Namespace: "shop", Name: "web", UID: "uid-web", ResourceVersion: "7",
			},
			Type: "Warning", Reason: "Failed", Message: "Error: no", Source: source, Count: 1,
			FirstTimestamp: metav1.NewTime(noon), LastTimestamp: metav1.NewTime(noon),
			ReportingController: "kubelet", ReportingInstance: "node-1",
		}, got[0])

		// What has no namespace is told of in the default one; a reference is as good as the object.
		node := &corev1.ObjectReference{Kind: "Node", APIVersion: "v1", Name: "node-1", FieldPath: "spec"}
		d.Normal(node, "Starting", "Starting kubelet.")
		synctest.Wait()
		list, err := d.client.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.Len(t, list.Items, 1)
		require.Equal(t, "Normal", list.Items[0].Type)
		require.Equal(t, "spec", list.Items[0].InvolvedObject.FieldPath)
	})
}

func TestRepetitionsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.run()
		for range 3 {
			d.Normal(pod("web"), "Pulled", "image pulled")
			d.clock.Step(time.Minute)
		}
		got := d.written()
		require.Len(t, got, 1)
		require.EqualValues(t, 3, got[0].Count)
		require.True(t, got[0].FirstTimestamp.Equal(&metav1.Time{Time: noon}))
		require.True(t, got[0].LastTimestamp.Equal(&metav1.Time{Time: noon.Add(2 * time.Minute)}))

		// An Event that has expired since is made anew, and goes on counting.
		require.NoError(t, d.client.CoreV1().Events("shop").Delete(t.Context(), got[0].Name, metav1.DeleteOptions{}))
		d.Normal(pod("web"), "Pulled", "image pulled")
		got = d.written()
		require.Len(t, got, 1)
		require.EqualValues(t, 4, got[0].Count)
	})
}

func TestManySimilarEventsAreFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.run()
		for i := range 12 {
			d.Normal(pod("web"), "Pulled", "image %d", i)
			d.clock.Step(time.Second)
		}
		got := d.written()
		require.Len(t, got, 10)
		require.Equal(t, "(combined from similar events): image 11", got[9].Message)
		require.EqualValues(t, 3, got[9].Count)
	})
}

// 25 events at once for one object and type, then one in five minutes.
func TestAFloodIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.run()
		for i := range 40 {
			d.Normal(pod("web"), fmt.Sprint("Reason", i), "flood")
		}
		d.Normal(pod("other"), "Reason", "no flood")
		require.Len(t, d.written(), 26)
		d.clock.Step(5 * time.Minute)
		d.Normal(pod("web"), "Later", "flood")
		d.Normal(pod("web"), "TooSoon", "flood")
		got := d.written()
		require.Len(t, got, 27)
		require.Equal(t, "Later", got[26].Reason)
	})
}

// Nobody takes an Event out of the line: all the same, nobody waits.
func TestAFullLineDropsAndDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		for i := range mostWaiting + 3 {
			d.Normal(pod(fmt.Sprint("pod-", i)), "Pulled", "image pulled")
		}
		require.Equal(t, 3, strings.Count(d.log.String(), "level=DEBUG msg=\"dropped an event"))
		require.Contains(t, d.log.String(), "object=pod-1002")
		d.run()
		require.Len(t, d.written(), mostWaiting)
	})
}

// However many are written at one time of the clock, and even where it is set back, no two have one name.
func TestNamesAreUnique(t *testing.T) {
	d := newDesk(t)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if i%10 == 0 {
				d.clock.SetTime(noon.Add(-time.Duration(i)))
			}
			d.Write(t.Context(), pod("web"), Normal("Pulled", "image pulled"))
		})
	}
	all.Wait()
	list, err := d.client.CoreV1().Events("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, 100, "%s", d.log.String())
	require.Empty(t, d.log.String())
}

// What is written at once is written when the call returns, repeated or not, and with the causes and reasons of its context.
func TestWriteIsWrittenWhenItReturns(t *testing.T) {
	d := newDesk(t)
	for range 30 {
		d.Write(t.Context(), pod("web"), Normal("Pulled", "image pulled"))
	}
	list, err := d.client.CoreV1().Events("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, 30)

	var got http.Header
	server := roundTripper(func(r *http.Request) (*http.Response, error) {
		got = r.Header
		return &http.Response{StatusCode: http.StatusCreated, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(`{}`))}, nil
	})
	client, err := kubernetes.NewForConfig(journal.Config(&rest.Config{Transport: server}, "kubelet"))
	require.NoError(t, err)
	writer := New(client, source, d.clock, slog.New(slog.DiscardHandler))
	ctx := journal.WithReason(journal.WithCause(t.Context(), journal.Cause{Revisions: []int64{12, 7}}), "2 of 3 nodes are full")
	writer.Write(ctx, pod("web"), Normal("Pulled", "image pulled"))
	require.Equal(t, "12,7", got.Get(journal.CauseHeader))
	require.Equal(t, "2 of 3 nodes are full", got.Get(journal.ReasonHeader))
	got = nil
	writer.WriteV1(ctx, pod("web"), "Binding", Normal("Scheduled", "assigned"))
	require.Equal(t, "12,7", got.Get(journal.CauseHeader))
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWhatAnEventOfTheNewGroupSays(t *testing.T) {
	d := newDesk(t)
	d.WriteV1(t.Context(), pod("web"), "Scheduling", Warning("FailedScheduling", "%s", "x"+strings.Repeat("ä", 600)))
	list, err := d.client.EventsV1().Events("shop").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	got := list.Items[0]
	require.Equal(t, metav1.NewMicroTime(noon), got.EventTime)
	require.Equal(t, "kubelet", got.ReportingController)
	require.Equal(t, "node-1", got.ReportingInstance)
	require.Equal(t, "Scheduling", got.Action)
	require.Equal(t, "Warning FailedScheduling", got.Type+" "+got.Reason)
	require.Equal(t, corev1.ObjectReference{
		Kind: "Pod", APIVersion: "v1", Namespace: "shop", Name: "web", UID: "uid-web", ResourceVersion: "7"}, got.Regarding)
	require.Equal(t, "x"+strings.Repeat("ä", 509)+" ...", got.Note, "cut at a rune's border, at %d bytes", noteAtMost)
	require.Zero(t, got.DeprecatedCount)
}

// While the API server cannot be reached, the line waits for it; what it refuses is not tried again.
func TestEventsWaitForTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		var failure error
		tries := 0
		d.client.PrependReactor("create", "events", func(clienttesting.Action) (bool, runtime.Object, error) {
			tries++
			return failure != nil, nil, failure
		})
		d.run()
		failure = errors.New("connection refused")
		d.Normal(pod("web"), "Pulled", "image pulled")
		d.Normal(pod("other"), "Pulled", "image pulled")
		for n := range 3 {
			require.Empty(t, d.written())
			require.Equal(t, n+1, tries)
			d.clock.Step(triedAfter)
		}
		synctest.Wait()
		failure = nil
		d.clock.Step(triedAfter)
		require.Len(t, d.written(), 2)

		tries, failure = 0, apierrors.NewForbidden(corev1.Resource("events"), "web", errors.New("the namespace ends"))
		d.Normal(pod("web"), "Created", "container created")
		require.Len(t, d.written(), 2)
		require.Equal(t, 1, tries)
		require.False(t, d.clock.HasWaiters())

		tries, failure = 0, errors.New("connection refused")
		d.Normal(pod("web"), "Started", "container started")
		for range 2 * mostTries {
			synctest.Wait()
			d.clock.Step(triedAfter)
		}
		require.Equal(t, mostTries, tries)
	})
}

// When a component ends, what it has said is written.
func TestTheLastEventsAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		for i := range 5 {
			d.Normal(pod(fmt.Sprint("pod-", i)), "Killing", "stopped")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d.Writer.Run(ctx)
		require.Len(t, d.written(), 5)
	})
}

// An API server that answers no more holds the end up for a moment only. What is under way when the end comes is given that
// moment, too.
func TestTheEndWaitsForAMomentOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		server := roundTripper(func(r *http.Request) (*http.Response, error) {
			asked++
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		client, err := kubernetes.NewForConfig(&rest.Config{QPS: -1, Transport: server})
		require.NoError(t, err)
		d := newDesk(t)
		d.Writer.client = client
		for i := range 5 {
			d.Normal(pod(fmt.Sprint("pod-", i)), "Killing", "stopped")
		}
		stop := d.run()
		synctest.Wait()
		begin := time.Now()
		stop()
		require.Equal(t, lastWrites, time.Since(begin))
		require.Equal(t, 1, asked)
	})
}

func TestWhatCannotBeReferredToIsAnError(t *testing.T) {
	d := newDesk(t)
	d.Normal(&metav1.PartialObjectMetadata{}, "Pulled", "image pulled")
	d.Write(t.Context(), &metav1.PartialObjectMetadata{}, Normal("Pulled", "image pulled"))
	d.WriteV1(t.Context(), &metav1.PartialObjectMetadata{}, "Pulling", Normal("Pulled", "image pulled"))
	require.Equal(t, 3, strings.Count(d.log.String(), "level=ERROR"))
	require.Empty(t, d.waiting)
}
