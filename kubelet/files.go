package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/env"
	"minik.dev/kubelet/runtime"
)

// This file carries out what is decided about a pod's files on the node. A kubelet without a directory of its own, whose
// runtime mounts nothing, checks volumes and writes none.

// writeVolumes makes sure that the pod's volumes are there, with what they are made of now.
func (s *session) writeVolumes(ctx context.Context, e *entry, pod *corev1.Pod) error {
	refs := env.NewReferences(ctx, s.client, pod.Namespace)
	if s.options.Dir == "" {
		return checkVolumes(pod, refs)
	}
	e.mu.Lock()
	e.files = true
	e.mu.Unlock()
	// What is written is watched first: so no change falls between the two.
	s.watched.follow(ctx, pod)
	home, err := s.podHome(pod.UID)
	if err != nil {
		return err
	}
	defer func() { _ = home.Close() }()
	in := contents{pod: pod, refs: refs, allocatable: withDefaults(s.options.Capacity)}
	for _, v := range pod.Spec.Volumes {
		if err := in.write(v, home); err != nil {
			return mountError(v.Name, err)
		}
	}
	return nil
}

// podHome opens the pod's directory, which is made where it is missing. This process may write where others may not; so what
// it writes there goes through this, and no link leads it out, whoever has put it there.
func (s *session) podHome(uid types.UID) (*os.Root, error) {
	if err := os.MkdirAll(s.options.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the node's directory: %w", err)
	}
	node, err := os.OpenRoot(s.options.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the node's directory: %w", err)
	}
	defer func() { _ = node.Close() }()
	return makeRoot(node, filepath.Join(podsDir, string(uid)))
}

func makeRoot(in *os.Root, path string) (*os.Root, error) {
	if err := in.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("making %s in %s: %w", path, in.Name(), err)
	}
	return in.OpenRoot(path)
}

// write makes one volume of the pod ready. emptyDirs are the runtime's.
func (in contents) write(v corev1.Volume, home *os.Root) error {
	if v.HostPath != nil {
		return checkHostPath(v.HostPath)
	}
	files, err := in.files(v.VolumeSource)
	if err != nil || !isWritten(v.VolumeSource) {
		return err
	}
	group := int64(-1)
	if security := in.pod.Spec.SecurityContext; security != nil && security.FSGroup != nil {
		group = *security.FSGroup
	}
	dir, err := makeRoot(home, filepath.Join(volumesDir, v.Name))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return writeVolume(dir, files, group)
}

// prepareMounts writes the files that every container has, and says what the container mounts.
func (s *session) prepareMounts(pod *corev1.Pod, c *corev1.Container, attempt int32, vars []runtime.EnvVar, ips []string) (
	[]runtime.Mount, error) {
	dir := s.podDir(pod.UID)
	if dir == "" {
		return nil, nil
	}
	home, err := s.podHome(pod.UID)
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
		if err := writeInPlace(home, f.path, f.text, f.mode); err != nil {
			return nil, fmt.Errorf("writing what every container has: %w", err)
		}
	}
	// As many are kept as there are attempts that can be told of: this one and the one before.
	if err := home.RemoveAll(terminationFile("", c.Name, attempt-2)); err != nil {
		return nil, fmt.Errorf("removing an old termination log: %w", err)
	}
	return mountsOf(pod, c, dir, attempt, vars)
}

// writeInPlace keeps the file that running containers have mounted. What is no file is replaced by one.
func writeInPlace(home *os.Root, path, text string, mode fs.FileMode) error {
	if err := home.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if info, err := home.Lstat(path); err == nil && !info.Mode().IsRegular() {
		if err := home.RemoveAll(path); err != nil {
			return err
		}
	}
	if holdsText(home, path, []byte(text)) {
		return home.Chmod(path, mode)
	}
	file, err := home.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Chmod(mode), file.Close())
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
	s.watched.forget(pod.UID)
	if keeper, ok := s.options.Runtime.(runtime.VolumeKeeper); ok {
		if err := keeper.RemoveVolumes(ctx, pod.UID); err != nil {
			return fmt.Errorf("removing the volumes of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
	if s.options.Dir != "" {
		if err := s.removeFiles(pod.UID); err != nil {
			return fmt.Errorf("removing the files of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.files = false
	return nil
}

// removeFiles removes the pod's directory. Links in it go, and not what they lead to.
func (s *session) removeFiles(uid types.UID) error {
	node, err := os.OpenRoot(s.options.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = node.Close() }()
	return node.RemoveAll(filepath.Join(podsDir, string(uid)))
}

// findFiles finds the pods that have files here, and those that have nothing else left.
func (s *session) findFiles() error {
	if s.options.Dir == "" {
		return nil
	}
	found, err := os.ReadDir(filepath.Join(s.options.Dir, podsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("finding the pods' files on node %s: %w", s.options.Node, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, dir := range found {
		uid := types.UID(dir.Name())
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
