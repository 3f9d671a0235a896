package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"minik.dev/cluster/clustertest"
	"minik.dev/scheduler"
)

// pair is a cluster with candidates for the pods of the schedulerName "pair", which its own scheduler leaves alone.
type pair struct {
	*testing.T
	config *rest.Config
	client kubernetes.Interface

	mu    sync.Mutex
	bound map[string][]string // by pod, the candidates whose bindings the API server took
}

func newPair(t *testing.T) *pair {
	config := clustertest.Start(t)
	config.QPS = -1
	return &pair{T: t, config: config, client: kubernetes.NewForConfigOrDie(config), bound: map[string][]string{}}
}

// candidate is one of the two at work.
type candidate struct {
	cut    atomic.Bool // nothing reaches the API server any more, as if the process were gone
	end    context.CancelFunc
	ended  chan struct{}
	t      *testing.T
	failed error
}

// transport counts the bindings that the API server takes.
type transport struct {
	*pair
	of   *candidate
	name string
	next http.RoundTripper
}

func (r transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if r.of.cut.Load() {
		return nil, errors.New("the cable is cut")
	}
	response, err := r.next.RoundTrip(request)
	if path, ok := strings.CutSuffix(request.URL.Path, "/binding"); ok && err == nil &&
		response.StatusCode == http.StatusCreated {
		r.mu.Lock()
		pod := filepath.Base(path)
		r.bound[pod] = append(r.bound[pod], r.name)
		r.mu.Unlock()
	}
	return response, err
}

// stand starts a candidate.
func (p *pair) stand(name, election string) *candidate {
	path := filepath.Join(p.TempDir(), "scheduler.yaml")
	require.NoError(p, os.WriteFile(path, []byte(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles: [{schedulerName: pair}]
leaderElection: {`+election+`}
`), 0o600))
	configuration, err := scheduler.LoadConfiguration(path)
	require.NoError(p, err)
	c := &candidate{t: p.T, ended: make(chan struct{})}
	config := rest.CopyConfig(p.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return transport{p, c, name, next} })
	s, err := scheduler.NewCandidate(config, name, scheduler.Options{
		Logger: slog.New(slog.DiscardHandler), Configuration: configuration,
	})
	require.NoError(p, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.Context()))
	c.end = cancel
	go func() {
		defer close(c.ended)
		c.failed = s.Run(ctx)
	}()
	p.Cleanup(c.stop)
	return c
}

// stop ends a candidate and returns when it has.
func (c *candidate) stop() {
	c.end()
	<-c.ended
	require.NoError(c.t, c.failed)
}

func (p *pair) create(name string) {
	_, err := p.client.CoreV1().Pods("default").Create(p.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			SchedulerName: "pair", Containers: []corev1.Container{{Name: "c", Image: "nginx"}},
		},
	}, metav1.CreateOptions{})
	require.NoError(p, err)
}

func (p *pair) node(name string) string {
	pod, err := p.client.CoreV1().Pods("default").Get(p.Context(), name, metav1.GetOptions{})
	require.NoError(p, err)
	return pod.Spec.NodeName
}

// binds waits until the pod is bound, by the candidate of that name.
func (p *pair) binds(candidate, pod string) {
	p.Helper()
	p.eventually(func() bool { return len(p.by(pod)) > 0 })
	require.Equal(p, []string{candidate}, p.by(pod), pod)
}

func (p *pair) by(pod string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bound[pod]
}

func (p *pair) eventually(condition func() bool) {
	p.Helper()
	require.Eventually(p, condition, time.Minute, 10*time.Millisecond)
}

func (p *pair) holder() string {
	lease, err := p.client.CoordinationV1().Leases("kube-system").Get(p.Context(), "kube-scheduler", metav1.GetOptions{})
	require.NoError(p, err)
	return *lease.Spec.HolderIdentity
}

const quick = "leaseDuration: 2s, renewDeadline: 1s, retryPeriod: 100ms"

// The leader dies while pods come: the other one has the Lease when it has run out, and every pod is bound once.
func TestTheLeaderIsKilled(t *testing.T) {
	p := newPair(t)
	first := p.stand("first", quick)
	p.create("before")
	p.binds("first", "before")
	p.stand("second", quick)
	const pods = 60
	for i := range pods {
		if i == pods/2 {
			first.cut.Store(true)
		}
		p.create(fmt.Sprintf("web-%d", i))
	}
	for i := range pods {
		p.eventually(func() bool { return p.node(fmt.Sprintf("web-%d", i)) != "" })
	}
	require.Equal(t, "second", p.holder())
	p.create("after")
	p.binds("second", "after")
	byFirst := 0
	for i := range pods {
		by := p.by(fmt.Sprintf("web-%d", i))
		require.Len(t, by, 1, "web-%d", i)
		if by[0] == "first" {
			byFirst++
			require.Less(t, i, pods/2, "web-%d came when first was gone", i)
		}
	}
	require.Less(t, byFirst, pods, "the second took over")

	// Who comes back waits for its turn, with fresh eyes.
	first.cut.Store(false)
	p.create("later")
	p.binds("second", "later")
}

// A clean end hands over at once, although the Lease has long to run. The Events tell of it.
func TestACleanEndHandsOver(t *testing.T) {
	p := newPair(t)
	const slow = "leaseDuration: 600s, renewDeadline: 300s, retryPeriod: 100ms"
	first := p.stand("first", slow)
	p.create("one")
	p.binds("first", "one")
	p.stand("second", slow)
	first.stop()
	p.create("two")
	p.binds("second", "two")
	p.eventually(func() bool {
		events, err := p.client.CoreV1().Events("kube-system").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		said := map[string]bool{}
		for _, e := range events.Items {
			said[e.InvolvedObject.Name+" "+e.Reason+" "+e.Message] = true
		}
		return said["kube-scheduler LeaderElection first became leader"] &&
			said["kube-scheduler LeaderElection first stopped leading"] &&
			said["kube-scheduler LeaderElection second became leader"]
	})
}

// Whoever finds that another one holds the Lease decides no more, and decides again when it has the Lease again.
func TestALostLeaseEndsDeciding(t *testing.T) {
	p := newPair(t)
	p.stand("first", quick)
	p.create("one")
	p.binds("first", "one")
	leases := p.client.CoordinationV1().Leases("kube-system")
	p.eventually(func() bool {
		lease, err := leases.Get(t.Context(), "kube-scheduler", metav1.GetOptions{})
		require.NoError(t, err)
		stranger, long, now := "stranger", int32(600), metav1.NewMicroTime(time.Now())
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.RenewTime = &stranger, &long, &now
		_, err = leases.Update(t.Context(), lease, metav1.UpdateOptions{})
		return err == nil // and not a conflict with the leader's own renewal
	})
	stopped := func() bool {
		events, err := p.client.CoreV1().Events("kube-system").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		for _, e := range events.Items {
			if e.Message == "first stopped leading" {
				return true
			}
		}
		return false
	}
	p.eventually(stopped)
	p.create("two")
	require.Never(t, func() bool { return p.node("two") != "" }, time.Second, 50*time.Millisecond)
	require.Equal(t, "stranger", p.holder())
	lease, err := leases.Get(t.Context(), "kube-scheduler", metav1.GetOptions{})
	require.NoError(t, err)
	nobody := ""
	lease.Spec.HolderIdentity = &nobody
	_, err = leases.Update(t.Context(), lease, metav1.UpdateOptions{})
	require.NoError(t, err)
	p.binds("first", "two")
}
