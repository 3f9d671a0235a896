package kubelet

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/kubelet/env"
	"minik.dev/kubelet/poddir"
	"minik.dev/kubelet/runtime"
	"minik.dev/kubelet/volumes"
)

// This file carries out what is decided about a pod's files on the node. A kubelet without a directory of its own, whose
// runtime mounts nothing, checks volumes and writes none.

// writeVolumes makes sure that the pod's volumes are there, with what they are made of now.
func (s *session) writeVolumes(ctx context.Context, e *entry, pod *corev1.Pod) error {
	in := volumes.Input{Pod: pod, References: env.NewReferences(ctx, s.client, pod.Namespace),
		Allocatable: withDefaults(s.options.Capacity)}
	if s.options.Dir == "" {
		return volumes.Check(in)
	}
	e.mu.Lock()
	e.files = true
	e.mu.Unlock()
	// What is written is watched first: so no change falls between the two.
	s.watched.Follow(ctx, pod)
	home, err := poddir.Open(s.options.Dir, pod.UID)
	if err != nil {
		return err
	}
	defer func() { _ = home.Close() }()
	return volumes.Write(in, home)
}

// prepareMounts writes the files that every container has, and says what the container mounts.
func (s *session) prepareMounts(pod *corev1.Pod, c *corev1.Container, attempt int32, vars []runtime.EnvVar, ips []string) (
	[]runtime.Mount, error) {
	dir := s.podDir(pod.UID)
	if dir == "" {
		return nil, nil
	}
	home, err := poddir.Open(s.options.Dir, pod.UID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = home.Close() }()
	node, _ := os.ReadFile("/etc/hosts") // a machine without one has nothing to add
	resolv, warnings := resolverOf(pod, s.options.ClusterDNS, s.options.ClusterDomain, nodeResolver(pod.Spec.HostNetwork))
	for _, w := range warnings {
		s.event(pod, nil, corev1.EventTypeWarning, w.reason, w.message)
	}
	for _, f := range []struct {
		path, text string
		mode       fs.FileMode
	}{
		{hostsFile, hostsOf(pod, ips, s.options.ClusterDomain, string(node)), 0o644},
		{resolvFile, resolv.String(), 0o644},
		{terminationFile("", c.Name, attempt), "", 0o666}, // whoever the container runs as
	} {
		if err := poddir.WriteInPlace(home, f.path, f.text, f.mode); err != nil {
			return nil, fmt.Errorf("writing what every container has: %w", err)
		}
	}
	// As many are kept as there are attempts that can be told of: this one and the one before.
	if err := home.RemoveAll(terminationFile("", c.Name, attempt-2)); err != nil {
		return nil, fmt.Errorf("removing an old termination log: %w", err)
	}
	return mountsOf(pod, c, dir, attempt, vars)
}

// Where a machine keeps its name servers. The second one has those behind the local one of systemd.
var resolvPaths = [2]string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// nodeResolver is the machine's own. A name server on its loopback is of use to pods on its network only.
func nodeResolver(loopback bool) resolver {
	var out resolver
	for _, path := range resolvPaths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if out = parseResolver(string(text), loopback); len(out.servers) > 0 {
			return out
		}
	}
	return out
}

// removeVolumes removes the pod's emptyDirs and its directory.
func (s *session) removeVolumes(ctx context.Context, e *entry, pod *corev1.Pod) error {
	s.watched.Forget(pod.UID)
	if keeper, ok := s.options.Runtime.(runtime.VolumeKeeper); ok {
		if err := keeper.RemoveVolumes(ctx, pod.UID); err != nil {
			return fmt.Errorf("removing the volumes of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
	if s.options.Dir != "" {
		if err := poddir.Remove(s.options.Dir, pod.UID); err != nil {
			return fmt.Errorf("removing the files of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.files = false
	return nil
}

// findFiles finds the pods that have files here, and those that have nothing else left.
func (s *session) findFiles() error {
	if s.options.Dir == "" {
		return nil
	}
	found, err := poddir.List(s.options.Dir)
	if err != nil {
		return fmt.Errorf("finding the pods' files on node %s: %w", s.options.Node, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, uid := range found {
		e, ok := s.entries[uid]
		if !ok {
			e = newEntry(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}})
			e.gone = true
			s.entries[uid] = e
			s.queue.Add(uid)
		}
		e.mu.Lock()
		e.files, e.stale = true, true // an earlier kubelet wrote them: this one looks again, and follows their changes
		e.mu.Unlock()
	}
	return nil
}

// pullSecrets are those of the pod's imagePullSecrets that exist; of the others an Event tells, as upstream's does.
func (s *session) pullSecrets(ctx context.Context, pod *corev1.Pod) []*corev1.Secret {
	var out []*corev1.Secret
	var absent []string
	for _, ref := range pod.Spec.ImagePullSecrets {
		secret, err := s.client.CoreV1().Secrets(pod.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
		switch {
		case err == nil:
			out = append(out, secret)
		case apierrors.IsNotFound(err):
			absent = append(absent, ref.Name)
		default:
			s.log.Warn("an image pull secret was not read", "secret", ref.Name, "namespace", pod.Namespace, "error", err)
		}
	}
	if len(absent) > 0 {
		s.event(pod, nil, corev1.EventTypeWarning, "FailedToRetrieveImagePullSecret", fmt.Sprintf(
			"Unable to retrieve some image pull secrets (%s); attempting to pull the image may not succeed.",
			strings.Join(absent, ", ")))
	}
	return out
}
