package dns

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"minik.dev/api"
	"minik.dev/control"
)

// reports is a gate whose reports of what waits come through a channel.
func reports(t *testing.T) (*control.Gate, <-chan api.ControlStatus) {
	t.Helper()
	reported := make(chan api.ControlStatus, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var c api.Control
		if json.NewDecoder(req.Body).Decode(&c) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		reported <- c.Status
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(c) // whoever does not read it asks again
	}))
	t.Cleanup(server.Close)
	client, err := api.NewClient(&rest.Config{Host: server.URL, QPS: -1})
	require.NoError(t, err)
	gate := control.NewGate(client, held, clock.RealClock{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); gate.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended; client.Client.CloseIdleConnections() })
	return gate, reported
}

func waits(t *testing.T, reported <-chan api.ControlStatus) api.ControlStatus {
	t.Helper()
	late := time.After(testPatience)
	for {
		select {
		case status := <-reported:
			if status.Waiting > 0 {
				return status
			}
		case <-late:
			t.Fatal("no decision waits")
		}
	}
}

// While it is held, the server answers from the zone that it has; it says what waits, and takes it in when it goes on. One that
// is started while it is held answers nothing, rather than that there are no names.
func TestAHeldServerAnswersWithTheNamesThatItHas(t *testing.T) {
	gate, reported := reports(t)
	revision := 0
	hold := func(hold bool) {
		revision++
		gate.Set(&api.Control{ObjectMeta: metav1.ObjectMeta{Name: held, ResourceVersion: strconv.Itoa(revision)},
			Spec: api.ControlSpec{Held: hold}})
	}
	hold(true)
	r := runWith(t, fake.NewClientset(service("default", "known", "10.96.3.3")), gate)
	require.Contains(t, waits(t, reported).Next, "known.default.svc.cluster.local. is new: 10.96.3.3")
	_, err := r.ask("tcp", "known.default.svc.cluster.local.", dns.TypeA)
	require.Error(t, err)
	hold(false)
	r.await(t, "udp", "known.default.svc.cluster.local.", func(m *dns.Msg) bool { return len(m.Answer) == 1 })
	r.await(t, "udp", "kube-dns.kube-system.svc.cluster.local.", func(m *dns.Msg) bool { return len(m.Answer) == 1 })

	hold(true)
	_, err = r.api.CoreV1().Services("default").Create(t.Context(), service("default", "web", "10.96.3.4"), metav1.CreateOptions{})
	require.NoError(t, err)
	require.Regexp(t, `(^|; )web\.default\.svc\.cluster\.local\. is new: 10\.96\.3\.4`, waits(t, reported).Next)
	answer, err := r.ask("udp", "web.default.svc.cluster.local.", dns.TypeA)
	require.NoError(t, err)
	require.Equal(t, dns.RcodeNameError, answer.Rcode)
	answer, err = r.ask("udp", "known.default.svc.cluster.local.", dns.TypeA)
	require.NoError(t, err)
	require.Len(t, answer.Answer, 1)
	hold(false)
	r.await(t, "udp", "web.default.svc.cluster.local.", func(m *dns.Msg) bool { return len(m.Answer) == 1 })
}
