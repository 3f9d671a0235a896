package apiserver

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/etcd"
)

var linearSeed = flag.Uint64("linear-seed", 0, "seed of the linearizability tests; 0 takes a new one")

// How much is asked of the servers, and for how long each of them runs.
const (
	linearClients = 8
	linearNames   = 6 // objects that all clients write
	linearServers = 5 // one after the other
	linearAtLeast = 150 * time.Millisecond
	linearSpread  = 300 * time.Millisecond
	linearDelay   = 10 * time.Millisecond // of what is heard of etcd at most: a busy machine is that late by itself, but rarely
	linearHurry   = 3 * time.Millisecond  // of clients who do not wait for the answer; see settle for whose that is
	// The search for an order tries both outcomes of each write of which nobody knows what came of it. On a busy machine there are
	// many: nothing comes in time for who does not wait, and a server that ends says so to all who ask it. So there are no more than
	// these for each object: then clients wait for all their answers, and then they only read.
	linearHurried = 10
	linearUnknown = 25
	// checkPatience bounds the search for an order; one that is there is found at once.
	checkPatience = 10 * time.Second
)

// Whatever clients do at the same time, and however often the server ends and starts again: there is an order of all
// operations, each between its call and its answer, in which they mean what the documentation says.
func TestLinearizableAcrossRestarts(t *testing.T) {
	h := newLinearHistory(t)
	dir := t.TempDir()
	ts := h.startOn(dir)
	ts.namespace(t, "shop")
	for range linearServers - 1 {
		h.serve(ts)
		h.runs()
		ts.stop()
		ts = h.startOn(dir)
	}
	h.serve(ts)
	h.runs()
	h.check()
}

// The same with two servers that share an etcd, of which neither knows what the other writes.
func TestLinearizableWithTwoServers(t *testing.T) {
	h := newLinearHistory(t)
	first := h.startOn(t.TempDir())
	shared := &etcd.Server{Client: first.etcd.Client} // not embedded: others write to it
	a := serveFrom(t, shared, func(o *Options) { o.Name = "a" })
	b := serveFrom(t, shared, func(o *Options) { o.Name = "b" })
	a.namespace(t, "shop")
	h.serve(a, b)
	for range 3 {
		h.runs()
	}
	h.check()
}

// linearHistory is what several clients ask and are told.
type linearHistory struct {
	t      *testing.T
	seed   uint64
	random *rand.Rand
	began  time.Time
	done   context.Context
	end    context.CancelFunc
	load   sync.WaitGroup

	mu         sync.Mutex
	changed    *sync.Cond                       // of servers, answered, or done
	servers    []*testServer                    // guarded by mu
	answered   int                              // how many operations; guarded by mu
	operations map[string][]porcupine.Operation // by name; guarded by mu
	unknown    map[string]int                   // of those, how many have an unknown outcome; guarded by mu
}

// newLinearHistory starts the clients. They wait for a server.
func newLinearHistory(t *testing.T) *linearHistory {
	h := &linearHistory{t: t, seed: *linearSeed, began: time.Now(), operations: map[string][]porcupine.Operation{},
		unknown: map[string]int{}}
	if h.seed == 0 {
		h.seed = rand.Uint64()
	}
	t.Logf("seed: -linear-seed %d", h.seed)
	h.random = rand.New(rand.NewPCG(h.seed, 0))
	h.changed = sync.NewCond(&h.mu)
	h.done, h.end = context.WithCancel(t.Context())
	context.AfterFunc(h.done, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.changed.Broadcast()
	})
	for i := range linearClients {
		c := &linearClient{h: h, id: i, random: rand.New(rand.NewPCG(h.seed, uint64(i+1))), versions: map[string]int64{}}
		h.load.Go(c.run)
	}
	t.Cleanup(func() {
		h.end()
		h.load.Wait()
	})
	return h
}

// startOn starts a server whose caches hear of half of what is written a while after it was, as does who wrote it.
func (h *linearHistory) startOn(dir string) *testServer {
	h.t.Helper()
	store, err := etcd.Start(h.t.Context(), etcd.Options{Dir: dir, Volatile: true})
	require.NoError(h.t, err)
	store.Client.Watcher = slowWatch{store.Client.Watcher, h.random.Uint64()}
	store.Client.KV = slowKV{store.Client.KV}
	return serveUntilStopped(h.t, store)
}

// slowWatch passes on what a watch brings, late at random.
type slowWatch struct {
	clientv3.Watcher
	seed uint64
}

func (s slowWatch) Watch(ctx context.Context, key string, options ...clientv3.OpOption) clientv3.WatchChan {
	out := make(chan clientv3.WatchResponse)
	in, random := s.Watcher.Watch(ctx, key, options...), rand.New(rand.NewPCG(s.seed, 0))
	go func() {
		defer close(out)
		for response := range in {
			if random.IntN(2) == 0 {
				<-time.After(time.Duration(random.Int64N(int64(linearDelay))))
			}
			select {
			case out <- response:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// slowKV answers half of the transactions that succeed late.
type slowKV struct{ clientv3.KV }

func (s slowKV) Txn(ctx context.Context) clientv3.Txn { return slowTxn{s.KV.Txn(ctx)} }

type slowTxn struct{ clientv3.Txn }

func (t slowTxn) If(c ...clientv3.Cmp) clientv3.Txn  { return slowTxn{t.Txn.If(c...)} }
func (t slowTxn) Then(o ...clientv3.Op) clientv3.Txn { return slowTxn{t.Txn.Then(o...)} }
func (t slowTxn) Else(o ...clientv3.Op) clientv3.Txn { return slowTxn{t.Txn.Else(o...)} }
func (t slowTxn) Commit() (*clientv3.TxnResponse, error) {
	response, err := t.Txn.Commit()
	if err == nil && response.Succeeded && response.Header.Revision%2 == 0 {
		<-time.After(linearDelay / 2)
	}
	return response, err
}

// serve tells the clients whom to ask from now on.
func (h *linearHistory) serve(servers ...*testServer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.servers = servers
	h.changed.Broadcast()
}

// runs returns when the servers have run for a while and then, however busy the machine is, have answered as many operations
// as there are clients.
func (h *linearHistory) runs() {
	<-time.After(linearAtLeast + time.Duration(h.random.Int64N(int64(linearSpread))))
	h.mu.Lock()
	defer h.mu.Unlock()
	for enough := h.answered + linearClients; h.answered < enough && h.done.Err() == nil; {
		h.changed.Wait()
	}
}

// server is one of the present servers, but for the one that was lost; nil at the end.
func (h *linearHistory) server(lost *testServer, draw *rand.Rand) *testServer {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.done.Err() == nil {
		if n := len(h.servers); n > 0 && h.servers[0] != lost {
			return h.servers[draw.IntN(n)]
		}
		h.changed.Wait()
	}
	return nil
}

// unknownOf is how many writes of the object have an unknown outcome.
func (h *linearHistory) unknownOf(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unknown[name]
}

// check ends the clients and looks for the order.
func (h *linearHistory) check() {
	h.end()
	h.load.Wait()
	total, unknown, undecided := 0, 0, 0
	for name, history := range h.operations {
		for _, o := range history {
			if total++; o.Output.(outcome).unknown {
				unknown++
			}
		}
		settle(history)
		switch porcupine.CheckOperationsTimeout(oneConfigMap, history, checkPatience) {
		case porcupine.Unknown:
			undecided++
		case porcupine.Illegal:
			for _, o := range history {
				h.t.Logf("client %d, %d to %d µs: %s", o.ClientId, o.Call/1000, o.Return/1000,
					oneConfigMap.DescribeOperation(o.Input, o.Output))
			}
			h.t.Errorf("the operations on %s have no order", name)
		}
	}
	h.t.Logf("%d operations, %d of them with an unknown outcome; %d objects of %d not decided", total, unknown, undecided,
		len(h.operations))
	require.Greater(h.t, total, linearClients, "or the clients asked nothing")
	require.Less(h.t, undecided, (len(h.operations)+1)/2, "the search takes too long")
}

// linearClient asks one thing after the other.
type linearClient struct {
	h        *linearHistory
	id       int
	random   *rand.Rand
	sequence int
	versions map[string]int64 // the newest that it was told, by name
}

func (c *linearClient) run() {
	var lost *testServer
	for {
		server := c.h.server(lost, c.random)
		if server == nil {
			return
		}
		name := fmt.Sprintf("m%d", c.random.IntN(linearNames))
		a := c.draw(name)
		ctx, cancel := c.h.t.Context(), context.CancelFunc(func() {})
		unknown := c.h.unknownOf(name)
		if unknown >= linearUnknown {
			a = asked{verb: "get"}
		}
		if (a.was != 0 || a.verb == "get") && c.random.IntN(10) == 0 && unknown < linearHurried {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(c.random.Int64N(int64(linearHurry))))
		}
		operation := porcupine.Operation{ClientId: c.id, Input: a, Call: time.Since(c.h.began).Nanoseconds()}
		o, gone, err := a.ask(ctx, server.client.CoreV1().RESTClient(), name)
		operation.Output, operation.Return = o, time.Since(c.h.began).Nanoseconds()
		if gone && ctx.Err() == nil {
			lost = server
		}
		cancel()
		if err != nil {
			c.h.t.Errorf("%+v of %s: %v", a, name, err)
			c.h.end()
			return
		}
		if o.unknown {
			operation.Return = math.MaxInt64
		}
		if o.version != 0 {
			c.versions[name] = o.version
		}
		if !o.unknown || a.verb != "get" { // a read that was not answered says nothing
			c.h.mu.Lock()
			c.h.operations[name] = append(c.h.operations[name], operation)
			if o.unknown { // a write: a read without an answer is not here
				c.h.unknown[name]++
			} else {
				c.h.answered++
				c.h.changed.Broadcast()
			}
			c.h.mu.Unlock()
		}
	}
}

// draw is what to ask next.
func (c *linearClient) draw(name string) asked {
	c.sequence++
	value := fmt.Sprintf("%d.%d", c.id, c.sequence)
	was := c.versions[name]
	switch n := c.random.IntN(10); {
	case n < 4:
		return asked{verb: "get"}
	case n < 5 && c.random.IntN(2) == 0:
		return asked{verb: "delete"}
	case n < 5:
		return asked{verb: "delete", was: was}
	case n < 7 || was == 0:
		return asked{verb: "create", value: value}
	}
	return asked{verb: "update", value: value, was: was}
}

// ask makes the request, once: what client-go does again after an error would be two operations. gone says that there was no
// answer. An error is an answer that no server may give.
func (a asked) ask(ctx context.Context, client rest.Interface, name string) (o outcome, gone bool, err error) {
	object := configMap(name, "v", a.value)
	var request *rest.Request
	switch a.verb {
	case "create":
		request = client.Post().Body(object)
	case "update":
		object.ResourceVersion = strconv.FormatInt(a.was, 10)
		request = client.Put().Name(name).Body(object)
	case "delete":
		options := &metav1.DeleteOptions{}
		if a.was != 0 {
			options.Preconditions = &metav1.Preconditions{ResourceVersion: ptr.To(strconv.FormatInt(a.was, 10))}
		}
		request = client.Delete().Name(name).Body(options)
	case "get":
		request = client.Get().Name(name)
	}
	result := request.Namespace("shop").Resource("configmaps").MaxRetries(0).Do(ctx)
	err = result.Error()
	status := apierrors.APIStatus(nil)
	switch answered := errors.As(err, &status); {
	case err != nil && !answered:
		return outcome{unknown: true}, true, nil
	case answered && status.Status().Code >= 500:
		return outcome{unknown: true}, false, nil
	case apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return outcome{refused: status.Status().Reason}, false, nil
	case err != nil:
		return outcome{}, false, err
	case a.verb == "delete":
		return outcome{}, false, nil
	}
	var answer corev1.ConfigMap
	if err := result.Into(&answer); err != nil {
		return outcome{}, false, err
	}
	version, err := strconv.ParseInt(answer.ResourceVersion, 10, 64)
	return outcome{value: answer.Data["v"], version: version}, false, err
}
