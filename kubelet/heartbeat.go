package kubelet

import (
	"context"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"minik.dev/events"
	"minik.dev/journal"
	"minik.dev/kubelet/runtime"
)

// The heartbeat of a node: its Lease says that it lives, its status what it is. Real kubelets renew every 10 s a Lease
// of 40 s; a class should not have to wait that long to see a node fail.
const (
	leasePeriod   = 2 * time.Second
	leaseDuration = 8 // seconds; the node is late when its Lease is older
	statusPeriod  = 10 * time.Second
	// statusAtLeast is how often the status is written though nothing in it changed.
	statusAtLeast = 5 * time.Minute
	// retryRegister is how long a node waits that could not be registered.
	retryRegister = 500 * time.Millisecond
)

// heart registers the node and keeps its Lease and status.
type heart struct {
	*session
	self self
	// adopts says that this boot of the node goes on, so that what ran still runs.
	adopts   bool
	node     *corev1.Node // as the API has it
	lease    *coordinationv1.Lease
	reported time.Time
}

// heartbeat learns which boot of the node this is, waiting for the API server as long as it takes. It returns nil when
// ctx is done first. A node whose last kubelet ended its boot, or that is rebooted, begins a new one.
func (s *session) heartbeat(ctx context.Context, rebooted bool) *heart {
	h := &heart{session: s, self: self{name: s.options.Node, labels: s.options.Labels, taints: s.options.Taints,
		capacity: withDefaults(s.options.Capacity), addresses: s.hostIPs, port: s.options.Port}}
	for _, cidr := range s.options.PodCIDRs {
		h.self.podCIDRs = append(h.self.podCIDRs, cidr.String())
	}
	for {
		node, err := s.client.CoreV1().Nodes().Get(ctx, s.options.Node, metav1.GetOptions{})
		if err == nil {
			h.node = node
			break
		}
		if apierrors.IsNotFound(err) {
			break
		}
		if !s.retry(ctx, "looking for the node", err) {
			return nil
		}
	}
	h.self.info = s.systemInfo(ctx)
	if h.adopts = h.node != nil && h.node.Status.NodeInfo.BootID != "" && !rebooted; h.adopts {
		h.self.info.BootID = h.node.Status.NodeInfo.BootID
	} else {
		h.self.info.BootID = s.options.NewBootID()
	}
	return h
}

// retry logs what failed and waits; it returns false when ctx is done.
func (s *session) retry(ctx context.Context, what string, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	s.log.Warn(what+" failed, tried again", "error", err)
	timer := s.clock.NewTimer(retryRegister)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}

// beat registers the node and keeps it alive until ctx is done.
func (h *heart) beat(ctx context.Context) {
	ctx = journal.WithCause(ctx, journal.Cause{Timer: true})
	h.event(events.Normal("Starting", "Starting kubelet."))
	for {
		err := h.report(ctx)
		if err == nil {
			break
		}
		if !h.retry(ctx, "registering the node", err) {
			return
		}
	}
	leases, statuses := h.clock.NewTicker(leasePeriod), h.clock.NewTicker(statusPeriod)
	defer leases.Stop()
	defer statuses.Stop()
	h.try(ctx, "renewing the node's lease", h.renew)
	for {
		select {
		case <-ctx.Done():
			return
		case <-leases.C():
			h.try(ctx, "renewing the node's lease", h.renew)
		case <-statuses.C():
			h.try(ctx, "reporting the node's status", h.report)
		}
	}
}

func (h *heart) try(ctx context.Context, what string, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, leaseDuration*time.Second)
	defer cancel()
	if err := do(ctx); err != nil && ctx.Err() == nil {
		h.log.Warn(what+" failed", "error", err)
	}
}

// report creates the Node where there is none, and writes what differs from what the API has; the status anyway when it
// was not written for long.
func (h *heart) report(ctx context.Context) error {
	nodes := h.client.CoreV1().Nodes()
	h.lookAtRuntime(ctx)
	now, created := h.clock.Now(), false
	current, err := nodes.Get(ctx, h.self.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		ctx := journal.WithReason(ctx, fmt.Sprintf("node %s is not registered", h.self.name))
		current, err = nodes.Create(ctx, h.self.node(nil, now), metav1.CreateOptions{})
		created = true
	}
	if err != nil {
		return fmt.Errorf("registering node %s: %w", h.self.name, err)
	}
	old := current.Status
	if created {
		old = corev1.NodeStatus{}
	}
	want := h.self.node(current, now)
	if !equality.Semantic.DeepEqual(current.Labels, want.Labels) || current.Spec.PodCIDR != want.Spec.PodCIDR {
		meta := want.DeepCopy()
		meta.Status = current.Status
		reason := fmt.Sprintf("node %s lacks labels or pod CIDR %v", h.self.name, h.self.podCIDRs)
		if current, err = nodes.Update(journal.WithReason(ctx, reason), meta, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("labelling node %s: %w", h.self.name, err)
		}
		want = h.self.node(current, now)
	}
	h.node = current
	differs := NodeDiffers(current.Status, want.Status)
	reason := fmt.Sprintf("the status of node %s was not reported for %s", h.self.name, statusAtLeast)
	switch {
	case differs:
		reason = fmt.Sprintf("node %s reports that %s, and its status differs from what it reported last", h.self.name,
			h.self.ready().Message)
	case !created && now.Sub(h.reported) < statusAtLeast:
		return nil
	}
	if differs || !created {
		if h.node, err = nodes.UpdateStatus(journal.WithReason(ctx, reason), want, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("reporting the status of node %s: %w", h.self.name, err)
		}
	}
	if differs || created {
		h.log.Info("node status is reported", "reason", reason)
	}
	h.reported = now
	h.tell(old, want.Status)
	return nil
}

// lookAtRuntime asks the runtime whether it is there, and which images it has.
func (h *heart) lookAtRuntime(ctx context.Context) {
	h.lookAtImages(ctx)
	versioned, ok := h.options.Runtime.(runtime.Versioned)
	if !ok {
		return
	}
	version, err := versioned.Version(ctx)
	if err != nil {
		h.self.runtimeDown = err.Error()
		return
	}
	h.self.runtimeDown, h.self.info.ContainerRuntimeVersion = "", version
}

// lookAtImages asks the runtime for its images. What it said last stands while it does not answer.
func (h *heart) lookAtImages(ctx context.Context) {
	lister, ok := h.options.Runtime.(runtime.ImageLister)
	if !ok {
		return
	}
	images, err := lister.Images(ctx)
	if err != nil {
		h.log.Debug("the images cannot be listed", "error", err)
		return
	}
	h.self.images = images
}

// tell records the Events about what the node reports anew.
func (h *heart) tell(old, now corev1.NodeStatus) {
	for _, e := range nodeEvents(h.self.name, old, now) {
		h.event(e)
	}
}

// event records an Event about the node.
func (h *heart) event(e events.Event) {
	// As upstream, the reference carries the node's name for a UID: kubectl describe finds the Events by it.
	ref := &corev1.ObjectReference{Kind: "Node", APIVersion: "v1", Name: h.self.name, UID: types.UID(h.self.name)}
	h.events.Record(ref, e)
}

// renew renews the node's Lease, making it where there is none.
func (h *heart) renew(ctx context.Context) error {
	leases := h.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	var err error
	if h.lease == nil {
		if h.lease, err = leases.Get(ctx, h.self.name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
			h.lease, err = leases.Create(ctx, h.renewed(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
				Name: h.self.name, Namespace: corev1.NamespaceNodeLease}}), metav1.CreateOptions{})
			if err != nil {
				h.lease = nil
			}
			return err
		}
		if err != nil {
			h.lease = nil
			return err
		}
	}
	lease, err := leases.Update(ctx, h.renewed(h.lease), metav1.UpdateOptions{})
	if err != nil {
		h.lease = nil // Someone else wrote it, or it is gone: look again at the next beat.
		return err
	}
	h.lease = lease
	return nil
}

func (h *heart) renewed(lease *coordinationv1.Lease) *coordinationv1.Lease {
	lease = lease.DeepCopy()
	lease.Spec.HolderIdentity = ptr.To(h.self.name)
	lease.Spec.LeaseDurationSeconds = ptr.To[int32](leaseDuration)
	lease.Spec.RenewTime = ptr.To(metav1.NewMicroTime(h.clock.Now()))
	if len(lease.OwnerReferences) == 0 && h.node != nil && h.node.UID != "" {
		lease.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: h.self.name, UID: h.node.UID}}
	}
	return lease
}

// endBoot takes the boot ID out of the node's status: its containers were killed, and the next start is another boot.
func (k *Kubelet) endBoot(ctx context.Context) error {
	ctx = journal.WithReason(ctx, fmt.Sprintf("the kubelet of node %s has killed its containers and ends", k.options.Node))
	_, err := k.client.CoreV1().Nodes().Patch(ctx, k.options.Node, types.MergePatchType,
		[]byte(`{"status":{"nodeInfo":{"bootID":""}}}`), metav1.PatchOptions{}, "status")
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("ending the boot of node %s: %w", k.options.Node, err)
	}
	return nil
}

// systemInfo is what the node's status says of machine, system and runtime; the boot ID is not among it.
func (k *Kubelet) systemInfo(ctx context.Context) corev1.NodeSystemInfo {
	info := corev1.NodeSystemInfo{
		MachineID: k.options.Node, SystemUUID: k.options.Node, KubeletVersion: k.options.Version,
		OperatingSystem: goruntime.GOOS, Architecture: goruntime.GOARCH, OSImage: "minik",
		ContainerRuntimeVersion: "unknown://0", KernelVersion: goruntime.GOOS,
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		info.KernelVersion = strings.TrimSpace(string(release))
	}
	if versioned, ok := k.options.Runtime.(runtime.Versioned); ok {
		if version, err := versioned.Version(ctx); err == nil {
			info.ContainerRuntimeVersion = version
		}
	}
	return info
}
