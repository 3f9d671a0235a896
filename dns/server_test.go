package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"minik.dev/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testPatience = 20 * time.Second

// running is a server of a fake API, and where it answers.
type running struct {
	api     *fake.Clientset
	address string
}

func run(t *testing.T, upstreams ...string) running {
	t.Helper()
	return runWith(t, fake.NewClientset(), nil, upstreams...)
}

// runWith runs a server that passes a gate.
func runWith(t *testing.T, api *fake.Clientset, gate *control.Gate, upstreams ...string) running {
	t.Helper()
	address := freeAddress(t)
	s := newServer(api, Options{Listen: netip.MustParseAddr("127.0.0.1"), Service: netip.MustParseAddr("10.96.0.10"),
		Address: func(string, int32) string { return address }, Upstreams: func() []string { return upstreams },
		Dial: (&net.Dialer{}).DialContext})
	s.gate = gate
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return running{api, address}
}

// freeAddress has a port that UDP and TCP have free.
func freeAddress(t *testing.T) string {
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		p, err := net.ListenPacket("udp", l.Addr().String())
		require.NoError(t, l.Close())
		if err == nil {
			require.NoError(t, p.Close())
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free for UDP and TCP")
	return ""
}

func (r running) ask(network, host string, kind uint16) (*dns.Msg, error) {
	question := new(dns.Msg)
	question.SetQuestion(host, kind)
	answer, _, err := (&dns.Client{Net: network, Timeout: 5 * time.Second}).Exchange(question, r.address)
	return answer, err
}

// await asks until the answer is as wanted.
func (r running) await(t *testing.T, network, host string, wanted func(*dns.Msg) bool) *dns.Msg {
	t.Helper()
	var answer *dns.Msg
	require.Eventually(t, func() bool {
		var err error
		answer, err = r.ask(network, host, dns.TypeA)
		return err == nil && wanted(answer)
	}, testPatience, 5*time.Millisecond, "%s over %s", host, network)
	return answer
}

func service(namespace, name, ip string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.ServiceSpec{ClusterIP: ip}}
}

func TestAnswersFollowTheAPI(t *testing.T) {
	r := run(t)
	for _, network := range []string{"udp", "tcp"} {
		r.await(t, network, "web.default.svc.cluster.local.", func(m *dns.Msg) bool { return m.Rcode == dns.RcodeNameError })
		_, err := r.api.CoreV1().Services("default").Create(t.Context(), service("default", "web", "10.96.3.4"),
			metav1.CreateOptions{})
		require.NoError(t, err)
		answer := r.await(t, network, "web.default.svc.cluster.local.", func(m *dns.Msg) bool { return len(m.Answer) == 1 })
		require.True(t, answer.Authoritative)
		require.Contains(t, answer.Answer[0].String(), "10.96.3.4")
		require.NoError(t, r.api.CoreV1().Services("default").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	}
	r.await(t, "udp", "web.default.svc.cluster.local.", func(m *dns.Msg) bool {
		return m.Rcode == dns.RcodeNameError && len(m.Ns) == 1
	})
}

func TestLongAnswersGoOverTCP(t *testing.T) {
	r := run(t)
	slice := wantedSlice("10.244.1.1")
	slice.Namespace, slice.Name = "default", "many"
	slice.Labels["kubernetes.io/service-name"] = "many"
	slice.Endpoints = nil
	for i := range 100 {
		endpoint := wantedSlice(fmt.Sprintf("10.244.1.%d", i+2)).Endpoints[0]
		slice.Endpoints = append(slice.Endpoints, endpoint)
	}
	_, err := r.api.DiscoveryV1().EndpointSlices("default").Create(t.Context(), slice, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = r.api.CoreV1().Services("default").Create(t.Context(), service("default", "many", corev1.ClusterIPNone),
		metav1.CreateOptions{})
	require.NoError(t, err)
	r.await(t, "udp", "many.default.svc.cluster.local.", func(m *dns.Msg) bool { return m.Truncated })
	r.await(t, "tcp", "many.default.svc.cluster.local.", func(m *dns.Msg) bool { return len(m.Answer) == 100 })
}

func TestItRegistersItself(t *testing.T) {
	r := run(t)
	services := r.api.CoreV1().Services(metav1.NamespaceSystem)
	require.Eventually(t, func() bool {
		s, err := services.Get(t.Context(), serviceName, metav1.GetOptions{})
		if err != nil || s.Spec.ClusterIP != "10.96.0.10" {
			return false
		}
		slice, err := r.api.DiscoveryV1().EndpointSlices(metav1.NamespaceSystem).Get(t.Context(), serviceName, metav1.GetOptions{})
		return err == nil && slice.Endpoints[0].Addresses[0] == "127.0.0.1"
	}, testPatience, 5*time.Millisecond)
}

// upstream is another name server, which knows everything that ends with example.com.
func upstream(t *testing.T) string {
	address := freeAddress(t)
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if strings.HasSuffix(q.Question[0].Name, "example.com.") {
			rr, _ := dns.NewRR(q.Question[0].Name + " 60 IN A 198.51.100.7")
			m.Answer = []dns.RR{rr}
		} else {
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})
	started := make(chan struct{})
	server := &dns.Server{Addr: address, Net: "udp", Handler: handler, NotifyStartedFunc: func() { close(started) }}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	<-started
	t.Cleanup(func() {
		require.NoError(t, server.Shutdown())
		require.NoError(t, <-ended)
	})
	return address
}

func TestOtherNamesArePassedOn(t *testing.T) {
	r := run(t, freeAddress(t), upstream(t)) // the first one does not answer
	answer := r.await(t, "udp", "www.example.com.", func(m *dns.Msg) bool { return len(m.Answer) == 1 })
	require.Contains(t, answer.Answer[0].String(), "198.51.100.7")
	r.await(t, "udp", "www.example.org.", func(m *dns.Msg) bool { return m.Rcode == dns.RcodeNameError })
	outer := service("default", "outer", "")
	outer.Spec.Type, outer.Spec.ExternalName = corev1.ServiceTypeExternalName, "www.example.com"
	_, err := r.api.CoreV1().Services("default").Create(t.Context(), outer, metav1.CreateOptions{})
	require.NoError(t, err)
	answer = r.await(t, "udp", "outer.default.svc.cluster.local.", func(m *dns.Msg) bool { return len(m.Answer) == 2 })
	require.Contains(t, answer.Answer[0].String(), "CNAME")
	require.Contains(t, answer.Answer[1].String(), "198.51.100.7")
}

// Other name servers are where Options.Dial finds them.
func TestOtherServersAreDialed(t *testing.T) {
	there := upstream(t)
	s := newServer(fake.NewClientset(), Options{Upstreams: func() []string { return []string{"192.0.2.1:53"} },
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			require.Equal(t, "192.0.2.1:53", address)
			return (&net.Dialer{}).DialContext(ctx, network, there)
		}})
	question := new(dns.Msg)
	question.SetQuestion("www.example.com.", dns.TypeA)
	answer, err := s.forwarder.ask(t.Context(), question)
	require.NoError(t, err)
	require.Equal(t, question.Id, answer.Id)
	require.Len(t, answer.Answer, 1)
}

func TestNoServerIsAskedInACircle(t *testing.T) {
	r := run(t, "127.0.0.1:53", "10.96.0.10:53")
	r.await(t, "udp", "www.example.com.", func(m *dns.Msg) bool { return m.Rcode == dns.RcodeServerFailure })
}

func FuzzReply(f *testing.F) {
	question := new(dns.Msg)
	question.SetQuestion("web.default.svc.cluster.local.", dns.TypeA)
	packed, err := question.Pack()
	require.NoError(f, err)
	f.Add(packed)
	f.Add(packed[:20])
	s := newServer(fake.NewClientset(), Options{Listen: netip.MustParseAddr("127.0.0.1"), Service: netip.MustParseAddr("10.96.0.10"),
		Upstreams: func() []string { return nil }})
	f.Fuzz(func(t *testing.T, data []byte) {
		var m dns.Msg
		if m.Unpack(data) != nil {
			return
		}
		answer := s.reply(t.Context(), &m)
		answer.Truncate(dns.MinMsgSize)
		require.Equal(t, m.Id, answer.Id)
	})
}
