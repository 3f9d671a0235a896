package fleet

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"minik.dev/api"
	"minik.dev/control"
	"minik.dev/journal"
	"minik.dev/kubelet"
	"minik.dev/kubelet/ipam"
)

// member is a node of the fleet. Fleet.mu guards it, but for lease.
type member struct {
	node *corev1.Node // the newest seen; never changed in place
	on   bool         // it has power
	cut  bool         // its power was cut and its Lease is not short yet
	// boot counts the times that it got its power back: what ran before is lost.
	boot   int
	bootID string
	pool   *ipam.Pool
	// due is when its Lease is to be renewed.
	due time.Time

	leasing sync.Mutex
	lease   *coordinationv1.Lease // as last written; nil where it is not known. leasing guards it.
}

// watchControls follows which nodes have power, and returns when that is known.
func (f *Fleet) watchControls(ctx context.Context, group *errgroup.Group) error {
	power := func(obj any, gone bool) {
		if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = unknown.Obj
		}
		control, ok := obj.(*api.Control)
		if !ok {
			return
		}
		if name, ok := strings.CutPrefix(control.Name, api.ControlName("kubelet/")); ok {
			f.setPower(name, !gone && control.Spec.Stopped, control.ResourceVersion)
		}
	}
	if served, ok := control.Served(ctx, f.controls, f.clock, f.log); !served || !ok {
		return nil // every node has power
	}
	watch := cache.NewListWatchFromClient(f.controls, "controls", metav1.NamespaceAll, fields.Everything())
	informer := cache.NewSharedIndexInformer(watch, &api.Control{}, 0, cache.Indexers{})
	return start(ctx, group, informer, "controls", cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { power(obj, false) }, UpdateFunc: func(_, obj any) { power(obj, false) },
		DeleteFunc: func(obj any) { power(obj, true) },
	})
}

// watchNodes follows all nodes, to find those of the fleet; it returns when those that there are are known.
func (f *Fleet) watchNodes(ctx context.Context, group *errgroup.Group) error {
	factory := informers.NewSharedInformerFactoryWithOptions(f.client, 0, informers.WithTransform(slim))
	seen := func(obj any) {
		if node, ok := obj.(*corev1.Node); ok {
			f.seeNode(node)
		}
	}
	return start(ctx, group, factory.Core().V1().Nodes().Informer(), "nodes", cache.ResourceEventHandlerFuncs{
		AddFunc: seen, UpdateFunc: func(_, obj any) { seen(obj) },
		DeleteFunc: func(obj any) {
			if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = unknown.Obj
			}
			if node, ok := obj.(*corev1.Node); ok {
				f.loseNode(node.Name)
			}
		},
	})
}

// start runs the informer until ctx is done, and returns when the handler has seen its first list.
func start(ctx context.Context, group *errgroup.Group, informer cache.SharedIndexInformer, what string,
	handler cache.ResourceEventHandler) error {
	handled, err := informer.AddEventHandler(handler)
	if err != nil {
		return fmt.Errorf("watching %s for the fleet: %w", what, err)
	}
	group.Go(func() error { informer.RunWithContext(ctx); return nil })
	cache.WaitFor(ctx, "", handled.HasSyncedChecker())
	return nil
}

// seeNode takes a node of the fleet in, and wakes it where there is something to report.
func (f *Fleet) seeNode(node *corev1.Node) {
	if !api.IsSimulated(node) {
		f.loseNode(node.Name) // it was one
		return
	}
	f.mu.Lock()
	m := f.members[node.Name]
	if m != nil && m.node.UID != node.UID {
		f.forget(node.Name)
		m = nil
	}
	isNew := m == nil
	if isNew {
		m = &member{on: !f.stopped[node.Name], bootID: node.Status.NodeInfo.BootID}
		m.pool, _ = f.poolOf(node)
		// The first renewal is somewhere in the first interval, so that renewals are spread; a new node has none to lose.
		if isReady(node) {
			m.due = f.clock.Now().Add(f.options.Jitter(leaseInterval(max(f.options.Nodes, len(f.members)))))
		}
		if m.bootID == "" {
			m.bootID = f.options.NewBootID()
		}
		f.members[node.Name] = m
	}
	m.node = node
	if isNew {
		f.wakePods(node.Name)
	}
	f.mu.Unlock()
	f.haveSome()
	f.because.Add(node.Name, node.ResourceVersion)
	f.nodes.Add(node.Name)
}

// poolOf is where the addresses of the node's pods come from. Fleet.mu is held.
func (f *Fleet) poolOf(node *corev1.Node) (*ipam.Pool, bool) {
	if cidr, ok := podRange(node); ok {
		return ipam.New(cidr), true
	}
	return f.spare, false
}

// loseNode forgets a node that is gone, or none of the fleet's any more. Its pods are somebody else's to delete.
func (f *Fleet) loseNode(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(name)
}

// forget drops the node and what ran on it. Fleet.mu is held.
func (f *Fleet) forget(name string) {
	m := f.members[name]
	if m == nil {
		return
	}
	delete(f.members, name)
	f.releaseAll(name, m)
}

// wakePods enqueues the node's pods. Fleet.mu is held.
func (f *Fleet) wakePods(name string) {
	for uid := range f.podsOn[name] {
		f.podQueue.Add(uid)
	}
}

// setPower cuts the node's power or gives it back.
func (f *Fleet) setPower(name string, stopped bool, revision string) {
	f.mu.Lock()
	if stopped {
		f.stopped[name] = true
	} else {
		delete(f.stopped, name)
	}
	m := f.members[name]
	if m == nil || m.on == !stopped {
		f.mu.Unlock()
		return
	}
	m.on, m.cut = !stopped, stopped
	f.releaseAll(name, m)
	if m.on {
		m.bootID, m.due = f.options.NewBootID(), time.Time{}
		f.wakePods(name)
	}
	f.mu.Unlock()
	f.log.Info("power of a simulated node", "node", name, "on", !stopped)
	f.because.Add(name, revision)
	f.nodes.Add(name)
}

// releaseAll ends everything that runs on the node: its pods have lost their state and their addresses. Fleet.mu is
// held.
func (f *Fleet) releaseAll(name string, m *member) {
	m.boot++
	for _, e := range f.podsOn[name] {
		f.release(e)
	}
}

// workOnNodes reports the nodes that are due.
func (f *Fleet) workOnNodes(ctx context.Context) {
	for {
		name, shutdown := f.nodes.Get()
		if shutdown {
			return
		}
		cause := f.because.Take(name)
		if err := f.report(journal.WithCause(ctx, cause), name); err != nil && ctx.Err() == nil {
			if !apierrors.IsConflict(err) {
				f.log.Warn("reporting a simulated node failed, tried again", "node", name, "error", err)
			}
			f.because.Return(name, cause)
			f.nodes.AddAfter(name, retryAfter)
		}
		f.nodes.Done(name)
	}
}

// retryAfter is how long a write waits that has failed.
const retryAfter = 200 * time.Millisecond

// report writes the status of a node that has power, where it differs from what the API has.
func (f *Fleet) report(ctx context.Context, name string) error {
	f.mu.Lock()
	m := f.members[name]
	if m == nil {
		f.mu.Unlock()
		return nil
	}
	node, bootID, on, cut := m.node, m.bootID, m.on, m.cut
	m.cut = false
	f.mu.Unlock()
	if cut {
		f.renew(ctx, m, lastLease*time.Second)
	}
	if !on {
		return nil
	}
	status := nodeStatus(f.options, node, bootID, f.clock.Now())
	if !kubelet.NodeDiffers(node.Status, status) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	ctx = journal.WithReason(ctx, fmt.Sprintf(
		"simulated node %s is ready, and its status differs from what was reported last", name))
	update := node.DeepCopy()
	update.Status = status
	_, err := f.client.CoreV1().Nodes().UpdateStatus(ctx, update, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// makeNodes makes the fleet's own nodes that do not exist, with their Leases.
func (f *Fleet) makeNodes(ctx context.Context) error {
	if f.options.Nodes == 0 {
		return nil
	}
	began := f.clock.Now()
	group := errgroup.Group{}
	group.SetLimit(writers)
	made := 0
	for i := 1; i <= f.options.Nodes && ctx.Err() == nil; i++ {
		f.mu.Lock()
		exists := f.members[Name(i)] != nil
		f.mu.Unlock()
		if exists {
			continue
		}
		made++
		group.Go(func() error { return f.makeNode(ctx, i) })
	}
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	f.log.Info("simulated nodes are there", "nodes", f.options.Nodes, "made", made, "took", f.clock.Since(began))
	return nil
}

func (f *Fleet) makeNode(ctx context.Context, i int) error {
	ctx = journal.WithReason(ctx, fmt.Sprintf("the fleet has %d nodes, and %s is missing", f.options.Nodes, Name(i)))
	node := newNode(f.options, i, f.options.NewBootID(), f.clock.Now())
	node, err := f.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // and none of the fleet's: whoever made it keeps it
	}
	if err != nil {
		return fmt.Errorf("making node %s: %w", Name(i), err)
	}
	f.seeNode(node)
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[node.Name]; m != nil {
		m.due = f.clock.Now().Add(f.options.Jitter(firstLease))
	}
	return nil
}
