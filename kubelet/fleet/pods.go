package fleet

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/reference"
	"k8s.io/utils/ptr"

	"minik.dev/events"
	"minik.dev/journal"
	"minik.dev/kubelet/ipam"
	"minik.dev/kubelet/runtime"
)

// entry is a pod that is bound to a node. Fleet.mu guards it, but for state.
type entry struct {
	pod  *corev1.Pod // the newest seen; never changed in place
	gone bool        // the API object is no more
	ip   netip.Addr  // zero where it has none
	from *ipam.Pool  // where that came from

	working sync.Mutex // guards what is below
	known   bool
	boot    int // of the node: what is known of an earlier one is lost
	state   State
}

// watchPods follows the pods of all nodes, and returns when those that there are are known.
func (f *Fleet) watchPods(ctx context.Context, group *errgroup.Group) error {
	factory := informers.NewSharedInformerFactoryWithOptions(f.client, 0, informers.WithTransform(slim),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermNotEqualSelector("spec.nodeName", "").String()
		}))
	seen := func(obj any) {
		if pod, ok := obj.(*corev1.Pod); ok {
			f.seePod(pod)
		}
	}
	return start(ctx, group, factory.Core().V1().Pods().Informer(), "pods", cache.ResourceEventHandlerFuncs{
		AddFunc: seen,
		UpdateFunc: func(old, obj any) {
			// A pod that was deleted and made again under its name between two looks is two pods.
			if was, is := old.(*corev1.Pod), obj.(*corev1.Pod); was.UID != is.UID {
				f.losePod(was)
			}
			seen(obj)
		},
		DeleteFunc: func(obj any) {
			if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = unknown.Obj
			}
			if pod, ok := obj.(*corev1.Pod); ok {
				f.losePod(pod)
			}
		},
	})
}

// slim leaves out what the fleet never reads and what a write of the status does not carry.
func slim(obj any) (any, error) {
	switch o := obj.(type) {
	case *corev1.Pod:
		o.ManagedFields = nil
		o.Spec.Volumes, o.Spec.Affinity, o.Spec.Tolerations, o.Spec.TopologySpreadConstraints = nil, nil, nil, nil
		for _, list := range [][]corev1.Container{o.Spec.InitContainers, o.Spec.Containers} {
			for i := range list {
				list[i].Env, list[i].EnvFrom, list[i].VolumeMounts, list[i].SecurityContext = nil, nil, nil, nil
				if o.Status.QOSClass != "" { // else the resources decide it
					list[i].Resources = corev1.ResourceRequirements{}
				}
			}
		}
		for i := range o.Spec.EphemeralContainers {
			c := &o.Spec.EphemeralContainers[i]
			c.Env, c.EnvFrom, c.VolumeMounts, c.SecurityContext = nil, nil, nil, nil
		}
	case *corev1.Node:
		o.ManagedFields = nil
	}
	return obj, nil
}

func (f *Fleet) seePod(pod *corev1.Pod) {
	f.mu.Lock()
	e := f.pods[pod.UID]
	if e == nil {
		e = &entry{pod: pod}
		f.pods[pod.UID] = e
		if f.podsOn[pod.Spec.NodeName] == nil {
			f.podsOn[pod.Spec.NodeName] = map[types.UID]*entry{}
		}
		f.podsOn[pod.Spec.NodeName][pod.UID] = e
		// An address that was reported is taken before another pod can be given it.
		if m := f.members[pod.Spec.NodeName]; m != nil && m.on && m.boot == 0 {
			f.claim(e, m)
		}
	} else if !older(pod, e.pod) {
		e.pod = pod
	}
	member := f.members[pod.Spec.NodeName] != nil
	f.mu.Unlock()
	if member {
		f.causes.Add(pod.UID, pod.ResourceVersion)
		f.podQueue.Add(pod.UID)
	}
}

func (f *Fleet) losePod(pod *corev1.Pod) {
	f.mu.Lock()
	if e := f.pods[pod.UID]; e != nil {
		e.gone = true
		f.release(e)
		delete(f.pods, pod.UID)
		delete(f.podsOn[e.pod.Spec.NodeName], pod.UID)
		if len(f.podsOn[e.pod.Spec.NodeName]) == 0 {
			delete(f.podsOn, e.pod.Spec.NodeName)
		}
	}
	f.mu.Unlock()
	f.causes.Take(pod.UID)
}

// older compares resource versions: the answer to a write may overtake the watch.
func older(a, b *corev1.Pod) bool {
	x, errA := strconv.ParseUint(a.ResourceVersion, 10, 64)
	y, errB := strconv.ParseUint(b.ResourceVersion, 10, 64)
	return errA == nil && errB == nil && x < y
}

// claim keeps the address that the pod's status has. Fleet.mu is held.
func (f *Fleet) claim(e *entry, m *member) {
	ip, err := netip.ParseAddr(e.pod.Status.PodIP)
	if err != nil || e.ip.IsValid() || e.pod.Spec.HostNetwork || ended(e.pod.Status.Phase) {
		return
	}
	if m.pool.Claim(ip) {
		e.ip, e.from = ip, m.pool
	}
}

// release gives the pod's address back. Fleet.mu is held.
func (f *Fleet) release(e *entry) {
	if e.ip.IsValid() {
		e.from.Release(e.ip)
		e.ip = netip.Addr{}
	}
}

// workOnPods carries on the pods that are due.
func (f *Fleet) workOnPods(ctx context.Context) {
	for {
		uid, shutdown := f.podQueue.Get()
		if shutdown {
			return
		}
		cause := f.causes.Take(uid)
		wrote, err := f.sync(journal.WithCause(ctx, cause), uid)
		if err != nil && ctx.Err() == nil {
			if !apierrors.IsConflict(err) {
				f.log.Warn("a pod of the fleet is tried again", "uid", uid, "error", err)
			}
			f.podQueue.AddAfter(uid, retryAfter)
		}
		if err != nil || !wrote {
			// A cause stays until a write has named it: what begins to run later is still the doing of the binding.
			f.causes.Return(uid, cause)
		}
		f.podQueue.Done(uid)
	}
}

// sync carries one pod on to now, and does what is to be done.
func (f *Fleet) sync(ctx context.Context, uid types.UID) (wrote bool, err error) {
	f.mu.Lock()
	e := f.pods[uid]
	if e == nil || e.gone {
		f.mu.Unlock()
		return true, nil
	}
	m := f.members[e.pod.Spec.NodeName]
	if m == nil || !m.on {
		f.mu.Unlock()
		return false, nil
	}
	pod, boot := e.pod, m.boot
	place := f.place(e, m)
	f.mu.Unlock()

	e.working.Lock()
	defer e.working.Unlock()
	if !e.known && boot == 0 && (pod.Spec.HostNetwork || place.IP == pod.Status.PodIP) {
		e.state = Adopt(pod)
	} else if e.known && e.boot != boot {
		e.state = State{}
	}
	e.known, e.boot = true, boot
	now := f.clock.Now()
	var step Step
	e.state, step = Advance(pod, false, place, e.state, now)
	if !e.state.HasIP() && (ended(step.Status.Phase) || step.Delete) {
		f.mu.Lock()
		f.release(e)
		f.mu.Unlock()
	}
	f.warn(pod, step.Events)
	if step.Report {
		if err := f.reportPod(ctx, e, pod, step); err != nil {
			return false, err
		}
	}
	if step.Delete {
		return true, f.deletePod(journal.WithReason(ctx, step.Reason), pod)
	}
	if !step.Next.IsZero() {
		f.podQueue.AddAfter(uid, max(step.Next.Sub(now), 1))
	}
	return step.Report, nil
}

// place is what the node has for the pod, which gets an address where it has none. Fleet.mu is held.
func (f *Fleet) place(e *entry, m *member) Place {
	p := Place{HostIPs: hostIPs(m.node), Images: f.options.Images}
	if !e.ip.IsValid() && !e.pod.Spec.HostNetwork && !ended(e.pod.Status.Phase) {
		if m.boot == 0 {
			f.claim(e, m)
		}
		if !e.ip.IsValid() {
			ip, err := m.pool.Take(nil)
			if err != nil {
				p.NoIP = err.Error()
			} else {
				e.ip, e.from = ip, m.pool
			}
		}
	}
	if e.ip.IsValid() {
		p.IP = e.ip.String()
	}
	return p
}

// reportPod writes the pod's status. The rest of the object is left out of the request: a write of the status ignores
// it.
func (f *Fleet) reportPod(ctx context.Context, e *entry, pod *corev1.Pod, step Step) error {
	ctx, cancel := context.WithTimeout(journal.WithReason(ctx, step.Reason), writeTimeout)
	defer cancel()
	update := &corev1.Pod{ObjectMeta: pod.ObjectMeta, Status: step.Status}
	written, err := f.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, update, metav1.UpdateOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("reporting the status of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	if _, err := slim(written); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if written.UID == pod.UID && !older(written, e.pod) {
		e.pod = written
	}
	return nil
}

// deletePod deletes the API object of a pod of which nothing is left. The UID keeps a successor of the same name.
func (f *Fleet) deletePod(ctx context.Context, pod *corev1.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := f.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To[int64](0), Preconditions: &metav1.Preconditions{UID: &pod.UID}})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// warn records the Events about failures.
func (f *Fleet) warn(pod *corev1.Pod, failures []Event) {
	for _, e := range failures {
		path := ""
		if e.Container != "" {
			path = runtime.FieldPath(pod, e.Container)
		}
		ref, err := reference.GetPartialReference(scheme.Scheme, pod, path)
		if err != nil {
			f.log.Error("an event has no reference", "pod", pod.Name, "namespace", pod.Namespace, "error", err)
			continue
		}
		f.events.Record(ref, events.Warning(e.Reason, "%s", e.Message))
		f.log.Warn(e.Reason, "pod", pod.Name, "namespace", pod.Namespace, "node", pod.Spec.NodeName, "message", e.Message)
	}
}
