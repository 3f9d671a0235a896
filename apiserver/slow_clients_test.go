package apiserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"

	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/etcd"
)

// dial connects to the server as its administrator does, and speaks the protocol.
func (ts *testServer) dial(t *testing.T, protocol string) net.Conn {
	t.Helper()
	config, err := rest.TLSConfigFor(ts.config)
	require.NoError(t, err)
	config.NextProtos = []string{protocol}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(ts.config.Host, "https://"), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.Equal(t, protocol, conn.ConnectionState().NegotiatedProtocol)
	return conn
}

// beginPost sends all of a request but the end of its body.
func beginPost(t *testing.T, conn net.Conn, length int) {
	t.Helper()
	_, err := fmt.Fprintf(conn, "POST /api/v1/namespaces HTTP/1.1\r\nHost: minik\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n{", length)
	require.NoError(t, err)
}

// Two hundred connections that send a byte now and then take no place from anybody, themselves included.
func TestASlowBodyTakesNoPlace(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	for range maxWrites {
		beginPost(t, ts.dial(t, "http/1.1"), 1000)
	}
	require.Eventually(t, func() bool { return ts.running.Load() >= maxWrites }, time.Minute, time.Millisecond, "all have come")
	ts.configMap(t, "shop", "of-the-same-user")
	_, _ = ts.call(t, "DELETE", "/api/v1/namespaces/shop/configmaps/of-the-same-user", "")
}

// A body that does not come is not waited for.
func TestASlowBodyIsGivenUp(t *testing.T) {
	ts := start(t)
	ts.bodies.grace = 10 * time.Millisecond
	conn := ts.dial(t, "http/1.1")
	beginPost(t, conn, 1000)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestTimeout, answer.StatusCode)
	s := status(t, body)
	require.Equal(t, metav1.StatusReasonTimeout, s.Reason)
	require.Contains(t, s.Message, "1 bytes have after")
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "and the connection is over")
	require.Zero(t, ts.bodies.taken)

	// One that comes as fast as it has to is waited for, however large it is.
	ts.bodies.grace = bodyGrace
	large := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "large",
		Annotations: map[string]string{"a": strings.Repeat("x", 200<<10)}}}
	_, err = ts.client.CoreV1().Namespaces().Create(t.Context(), large, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Zero(t, ts.bodies.taken)
}

// The more of a body is there, the longer it may have taken.
func TestBodyDue(t *testing.T) {
	require.Equal(t, bodyGrace, bodyDue(0, bodyGrace))
	require.Equal(t, bodyGrace+time.Second, bodyDue(bodyRate, bodyGrace))
	require.Less(t, bodyDue(maxBody, bodyGrace), 4*time.Minute)
}

// The bodies of all requests have a bounded room, and a quarter of it is always there for others.
func TestBodiesAreBounded(t *testing.T) {
	b := newBodies(100)
	require.True(t, b.take("greedy", 70))
	require.False(t, b.take("greedy", 6))
	require.True(t, b.take("modest", 25))
	require.False(t, b.take("third", 6))
	b.give("greedy", 70)
	require.True(t, b.take("third", 6))
	b.bound(20)
	require.False(t, b.take("third", 1), "less is less for everybody")
	b.give("modest", 25)
	b.give("third", 6)
	require.Empty(t, b.of, "nobody is remembered who has nothing there")

	ts := start(t)
	ts.bodies.bound(1000)
	response, body := ts.call(t, "POST", "/api/v1/namespaces", `{"metadata":{"name":"`+strings.Repeat("x", 1000)+`"}}`)
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode, "%s", body)
	require.Equal(t, "1", response.Header.Get("Retry-After"))
	require.Zero(t, ts.bodies.taken)
}

// What others send takes no room from minik's own parts.
func TestComponentsHaveRoomOfTheirOwn(t *testing.T) {
	ts := start(t)
	ts.bodies.bound(0)
	response, _ := ts.call(t, "POST", "/api/v1/namespaces", `{"metadata":{"name":"a"}}`)
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
	response, _ = ts.call(t, "POST", "/api/v1/namespaces", `{"metadata":{"name":"a"}}`, "Impersonate-User", "system:kube-scheduler")
	require.Equal(t, http.StatusCreated, response.StatusCode)
	require.Zero(t, ts.ownBodies.taken)
}

// Who does not say who they are stays a stranger, whatever they may read.
func TestAnonymousRequestsMakeNoConnectionKnown(t *testing.T) {
	ts := startWith(t, etcd.Options{Dir: t.TempDir(), Volatile: true}, func(o *Options) { o.MaxConnections = 100 })
	ask := func(certificate bool) (known int) {
		config, err := rest.TLSConfigFor(ts.config)
		require.NoError(t, err)
		if !certificate {
			config.GetClientCertificate, config.Certificates = nil, nil
		}
		config.NextProtos = []string{"http/1.1"}
		conn, err := tls.Dial("tcp", strings.TrimPrefix(ts.config.Host, "https://"), config)
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		_, err = fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: minik\r\n\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		ts.connections.mu.Lock()
		defer ts.connections.mu.Unlock()
		for _, c := range ts.connections.all {
			if c.known && c.RemoteAddr().String() == conn.LocalAddr().String() {
				known++
			}
		}
		return known
	}
	require.Zero(t, ask(false))
	require.Equal(t, 1, ask(true))
}

// However many requests others make, minik's own parts and the nodes find a place.
func TestComponentsHavePlacesOfTheirOwn(t *testing.T) {
	l := newLoad(1, 1)
	node := auth.User{Name: "system:node:node-1", Groups: []string{auth.Nodes}}
	_, ok := l.take("PUT", auth.User{Name: "somebody"})
	require.True(t, ok)
	_, ok = l.take("PUT", auth.User{Name: "somebody else"})
	require.False(t, ok)
	_, ok = l.take("PUT", auth.User{Name: "system:node:node-1"})
	require.False(t, ok, "the name alone makes no node")
	_, ok = l.take("PUT", node)
	require.True(t, ok)
	_, ok = l.take("GET", auth.User{Name: "system:kube-scheduler"})
	require.True(t, ok)
}

// An answer that is not read is cut off, a list as well as a watch, over either protocol.
func TestAnAnswerThatIsNotRead(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	for i := range 30 {
		_, err := ts.client.CoreV1().ConfigMaps("shop").Create(t.Context(), configMap(fmt.Sprintf("large-%d", i), "v",
			strings.Repeat("x", 900<<10)), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	stalled := func() (n int) {
		ts.answers.mu.Lock()
		defer ts.answers.mu.Unlock()
		for out := range ts.answers.all {
			if out.writing.Load() != 0 {
				n++
			}
		}
		return n
	}
	for _, path := range []string{"/api/v1/configmaps", "/api/v1/configmaps?watch=1"} {
		for _, protocol := range []string{"http/1.1", "h2"} {
			t.Run(protocol+" "+path, func(t *testing.T) {
				conn := ts.dial(t, protocol)
				if protocol == "h2" {
					require.NoError(t, newRawHTTP2(t, conn).get(1, path))
				} else {
					_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: minik\r\n\r\n", path)
					require.NoError(t, err)
				}
				require.Eventually(t, func() bool { return stalled() == 1 }, time.Minute, time.Millisecond, "it waits to be read")
				require.Zero(t, ts.answers.cutOff(time.Now().Add(-readPatience)), "it has time")
				require.Eventually(t, func() bool { return ts.answers.cutOff(time.Now()) > 0 || stalled() == 0 }, time.Minute, time.Millisecond)
				require.Eventually(t, func() bool { return ts.running.Load() == 0 }, time.Minute, time.Millisecond, "and is over")
			})
		}
	}
}

// rawHTTP2 is a client that does as it likes.
type rawHTTP2 struct {
	t       *testing.T
	framer  *http2.Framer
	headers strings.Builder
	encoder *hpack.Encoder
}

func newRawHTTP2(t *testing.T, conn net.Conn) *rawHTTP2 {
	t.Helper()
	_, err := io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	c := &rawHTTP2{t: t, framer: http2.NewFramer(conn, conn)}
	c.encoder = hpack.NewEncoder(&c.headers)
	require.NoError(t, c.framer.WriteSettings())
	require.NoError(t, c.framer.WriteSettingsAck())
	return c
}

// get asks for a path.
func (c *rawHTTP2) get(stream uint32, path string) error {
	c.headers.Reset()
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "minik"}, {":path", path}} {
		require.NoError(c.t, c.encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	return c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte(c.headers.String()),
		EndHeaders: true, EndStream: true})
}

// A client that asks and breaks off by the thousand is sent away; one that breaks off now and then is not.
func TestAClientThatBreaksOffByTheThousand(t *testing.T) {
	ts := start(t)
	conn := ts.dial(t, "h2")
	client := newRawHTTP2(t, conn)
	sentAway := make(chan error, 1)
	go func() {
		for {
			frame, err := client.framer.ReadFrame()
			if _, goAway := frame.(*http2.GoAwayFrame); goAway || err != nil {
				sentAway <- err
				return
			}
		}
	}()
	const most = 50 * resetsAtOnce
	for i := range uint32(most) {
		select {
		case err := <-sentAway:
			require.NoError(t, err, "with a GOAWAY")
			return
		default:
		}
		if client.get(2*i+1, "/api/v1/namespaces?watch=1") != nil || client.framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
			require.NoError(t, <-sentAway, "with a GOAWAY")
			return
		}
	}
	t.Fatalf("%d requests were broken off", most)
}

// What is broken off is forgiven with time.
func TestBrokenOffRequestsAreForgiven(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	client, server := net.Pipe()
	defer func() { require.NoError(t, errors.Join(client.Close(), server.Close())) }()
	c := &connection{Conn: server, clock: clock}
	for range 20 * resetsAtOnce {
		c.brokeOff()
		clock.Step(time.Second / resetsASecond)
	}
	require.False(t, c.goAway)
	for range resetsAtOnce + 1 {
		c.brokeOff()
	}
	require.True(t, c.goAway)
	header := http.Header{}
	c.sendAway(header)
	require.Equal(t, "close", header.Get("Connection"))
}

// Connections that nobody uses make room for those that somebody does: the strangers first, and those that waited longest.
func TestSurplus(t *testing.T) {
	at := func(second int, state http.ConnState, known bool) *connection {
		conn, other := net.Pipe()
		t.Cleanup(func() { _ = errors.Join(conn.Close(), other.Close()) })
		return &connection{Conn: conn, state: state, known: known, since: time.Unix(int64(second), 0)}
	}
	newest := at(100, http.StateNew, false)
	busy, idle, idleLonger := at(1, http.StateActive, true), at(3, http.StateIdle, true), at(2, http.StateIdle, true)
	stranger, earlierStranger := at(50, http.StateNew, false), at(40, http.StateActive, false)
	for name, c := range map[string]struct {
		others []*connection
		most   int
		want   *connection
	}{
		"there is room":                          {[]*connection{busy, idle}, 3, nil},
		"one that is idle goes":                  {[]*connection{busy, idle, idleLonger}, 3, idleLonger},
		"a stranger before that":                 {[]*connection{busy, idle, stranger}, 3, stranger},
		"too many strangers":                     {[]*connection{stranger, earlierStranger}, 8, earlierStranger},
		"all are in use: the new one is refused": {[]*connection{busy, at(9, http.StateActive, true)}, 2, newest},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[net.Conn]*connection{newest.Conn: newest}
			for _, o := range c.others {
				all[o.Conn] = o
			}
			require.Same(t, c.want, surplus(all, c.most, newest))
		})
	}
}

// Hundreds of connections that say nothing do not keep anybody out, and take a bounded number of descriptors.
func TestIdleConnections(t *testing.T) {
	const most = 40
	ts := startWith(t, etcd.Options{Dir: t.TempDir(), Volatile: true}, func(o *Options) { o.MaxConnections = most })
	ctx, cancel := context.WithCancel(t.Context())
	var held sync.WaitGroup
	defer held.Wait()
	defer cancel()
	for range 10 * most {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(ts.config.Host, "https://"))
		require.NoError(t, err)
		held.Go(func() {
			<-ctx.Done()
			_ = conn.Close()
		})
	}
	for range 3 { // with connections of its own: as new as the others
		conn := ts.dial(t, "http/1.1")
		_, err := fmt.Fprint(conn, "GET /api/v1/namespaces HTTP/1.1\r\nHost: minik\r\n\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode)
	}
	require.Eventually(t, func() bool {
		ts.connections.mu.Lock()
		defer ts.connections.mu.Unlock()
		return len(ts.connections.all) <= most
	}, time.Minute, time.Millisecond)
}
