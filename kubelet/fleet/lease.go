package fleet

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const (
	// leaseTick is how often the Leases that are due are looked for.
	leaseTick = time.Second
	// leaseAtLeast is the interval of a small fleet, as upstream's kubelets have it; leasesPerSecond bounds that of a
	// large one.
	leaseAtLeast    = 10 * time.Second
	leasesPerSecond = 50
	// leasesPerInterval is how many renewals a Lease lasts.
	leasesPerInterval = 4
	// firstLease is how long a new node may be without a Lease: half of what the node lifecycle controller grants it. So a
	// fleet is ready before its Leases are made.
	firstLease = 25 * time.Second
	// lastLease is the duration of a node's Lease once its power is cut, in seconds: that of minik's other nodes. A class
	// should not have to wait for as long as a Lease of a large fleet lasts.
	lastLease = 8
)

// leaseInterval is how often each of n nodes renews its Lease.
func leaseInterval(n int) time.Duration {
	return max(leaseAtLeast, time.Duration(n)*time.Second/leasesPerSecond)
}

// renewed is the node's Lease as it is to be written; old is nil where there is none.
func renewed(old *coordinationv1.Lease, node *corev1.Node, duration time.Duration,
	now time.Time) *coordinationv1.Lease {
	out := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: node.Name, Namespace: corev1.NamespaceNodeLease}}
	if old != nil {
		out = old.DeepCopy()
	}
	out.Spec.HolderIdentity = ptr.To(node.Name)
	out.Spec.LeaseDurationSeconds = ptr.To(int32(duration / time.Second))
	out.Spec.RenewTime = ptr.To(metav1.NewMicroTime(now))
	out.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID}}
	return out
}

// keepLeases renews what is due, a batch each second, until ctx is done.
func (f *Fleet) keepLeases(ctx context.Context) {
	tick := f.clock.NewTicker(leaseTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C():
			f.renewDue(ctx)
		}
	}
}

// renewDue renews the Leases that are due, a bounded number at a time.
func (f *Fleet) renewDue(ctx context.Context) {
	now := f.clock.Now()
	f.mu.Lock()
	interval := leaseInterval(len(f.members))
	var due []*member
	for _, m := range f.members {
		if m.on && !m.due.After(now) {
			// Neither all at once nor all in one order: each interval is up to a tenth shorter.
			m.due = now.Add(interval - f.options.Jitter(interval/10))
			due = append(due, m)
		}
	}
	f.mu.Unlock()
	group := errgroup.Group{}
	group.SetLimit(writers)
	for _, m := range due {
		group.Go(func() error {
			f.renew(ctx, m, interval*leasesPerInterval)
			return nil
		})
	}
	_ = group.Wait() // each has told of its own failure
}

// renew writes the node's Lease, making it where there is none. What fails is tried again at the next tick.
func (f *Fleet) renew(ctx context.Context, m *member, duration time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	m.leasing.Lock()
	defer m.leasing.Unlock()
	f.mu.Lock()
	node, on := m.node, m.on
	f.mu.Unlock()
	if !on && duration != lastLease*time.Second {
		return // its power was cut since
	}
	leases := f.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	var err error
	if m.lease == nil {
		m.lease, err = leases.Create(ctx, renewed(nil, node, duration, f.clock.Now()), metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			m.lease, err = leases.Get(ctx, node.Name, metav1.GetOptions{})
			if err == nil {
				m.lease, err = leases.Update(ctx, renewed(m.lease, node, duration, f.clock.Now()), metav1.UpdateOptions{})
			}
		}
	} else {
		m.lease, err = leases.Update(ctx, renewed(m.lease, node, duration, f.clock.Now()), metav1.UpdateOptions{})
	}
	if err == nil {
		return
	}
	m.lease = nil // someone else wrote it, or it is gone
	if ctx.Err() == nil {
		f.log.Warn("renewing a node's lease failed, tried again", "node", node.Name, "error", err)
	}
	f.mu.Lock()
	m.due = time.Time{}
	f.mu.Unlock()
}
