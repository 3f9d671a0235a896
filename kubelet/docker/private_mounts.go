package docker

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"minik.dev/kubelet/subpath"
)

// bindsDir is where private mounts are, below it by cluster and node. It is not in the data directory: whoever deletes that
// while a mount of a killed kubelet is left would delete what is mounted.
const bindsDir = "/run/minik"

// What is mounted to see whether the engine sees it: below the node's directory, a directory with a file.
const (
	triedDir  = "tried"
	triedFile = "token"
)

// binder mounts privately what containers bind. Its mounts last from just before a container is created until it has started:
// by then it has copies of its own. (So `docker start` cannot start such a container again; no kubelet does.)
type binder struct {
	engine  *Engine
	cluster string
	dir     string // this node's

	mu      sync.Mutex // guards what follows
	begun   bool       // dir is there
	checked bool       // why is known
	why     error      // what is in the way of private mounts; nil where nothing is
	count   int        // mounts made so far, which names them
}

func newBinder(engine *Engine, cluster, node string) *binder {
	return &binder{engine: engine, cluster: cluster, dir: filepath.Join(clusterBinds(cluster), node)}
}

func clusterBinds(cluster string) string { return filepath.Join(bindsDir, short(cluster)) }

// ready says why what is mounted here cannot be what the engine binds: once asked, it is known. err is not about that.
func (b *binder) ready(ctx context.Context) (why, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.checked {
		return b.why, nil
	}
	if _, remapped := b.engine.option("userns"); remapped {
		b.why = errors.New("the engine's containers have users of their own, who may not see private mounts")
	} else if os.Geteuid() != 0 {
		b.why = errors.New("this process may not mount (it does not run as root)")
	} else if err := b.begin(); err != nil {
		b.why = fmt.Errorf("private mounts cannot be made: %w", err)
	} else if b.why, err = b.try(ctx); err != nil {
		return nil, err
	}
	b.checked = true
	return b.why, nil
}

// begin makes the node's directory, after an earlier kubelet's is taken away; b.mu is held.
func (b *binder) begin() error {
	if b.begun {
		return nil
	}
	if err := removeBinds(b.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	if err := subpath.MakePrivate(b.dir); err != nil {
		return err
	}
	b.begun = true
	return nil
}

// try asks the engine for a file of a directory that is mounted here; b.mu is held. An engine on another machine, or with
// mounts of its own, has not got it.
func (b *binder) try(ctx context.Context) (why, err error) {
	token, from := rand.Text(), filepath.Join(b.dir, triedDir)
	if err := os.MkdirAll(from, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(from, triedFile), []byte(token), 0o600); err != nil {
		return nil, err
	}
	file, err := subpath.Open(from, "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	taken := &binds{binder: b}
	defer func() { _ = taken.release() }()
	source, err := taken.addLocked(file)
	if err != nil {
		return fmt.Errorf("private mounts cannot be made: %w", err), nil
	}
	seen, err := b.engine.fileOf(ctx, b.cluster, source, triedFile, int64(len(token)))
	switch {
	case errdefs.IsInvalidArgument(err), errdefs.IsNotFound(err), err == nil && seen != token:
		return errors.New("the engine does not see the mounts of this process"), nil
	case err != nil:
		return nil, fmt.Errorf("asking the engine whether it sees the mounts of this process: %w", err)
	}
	return nil, os.RemoveAll(from)
}

// fileOf is the beginning of a file in a directory, as a container would see it that mounts the directory.
func (e *Engine) fileOf(ctx context.Context, cluster, dir, name string, length int64) (string, error) {
	image, err := e.pauseImage(ctx)
	if err != nil {
		return "", err
	}
	made, err := e.client.ContainerCreate(ctx, &container.Config{Image: image, Labels: map[string]string{labelCluster: cluster}},
		&container.HostConfig{NetworkMode: "none", Mounts: []mount.Mount{{Type: mount.TypeBind, Source: dir, Target: volumesDir,
			ReadOnly: true}}}, nil, nil, "")
	if err != nil {
		return "", err
	}
	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		_ = e.remove(cleanup, made.ID) // what stays goes with the cluster's containers
	}()
	archive, _, err := e.client.CopyFromContainer(ctx, made.ID, volumesDir+"/"+name)
	if err != nil {
		return "", err
	}
	defer archive.Close()
	r := tar.NewReader(archive)
	if _, err := r.Next(); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(r, length))
	return string(text), err
}

// end takes away everything that was mounted.
func (b *binder) end() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun, b.checked, b.why = false, false, nil
	return removeBinds(b.dir)
}

// unbind takes away everything that was mounted for this node's containers. What it cannot is in nobody's way.
func (r *Runtime) unbind() {
	if err := r.binder.end(); err != nil {
		r.log.Warn("private mounts are left", "error", err)
	}
}

// removeBinds takes away a node's private mounts, those of a killed kubelet too, and their directories. That there are none is
// no error, nor that this process may not have made any.
func removeBinds(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := subpath.Unbind(dir); err != nil { // with what is mounted in it
		return err
	}
	_ = os.Remove(filepath.Join(dir, triedDir, triedFile))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("removing private mounts: %w", err)
	}
	for _, entry := range entries {
		target := filepath.Join(dir, entry.Name())
		if err := subpath.Unbind(target); err != nil {
			return err
		}
		// Not with what is in it: should a mount be left all the same, that would be somebody's files.
		if err := os.Remove(target); err != nil {
			return fmt.Errorf("removing private mounts: %w", err)
		}
	}
	_ = os.Remove(dir)
	_ = os.Remove(filepath.Dir(dir)) // unless other nodes have some
	return nil
}

// removeClusterBinds does so for all nodes of a cluster on this machine.
func removeClusterBinds(cluster string) error {
	nodes, err := os.ReadDir(clusterBinds(cluster))
	if err != nil {
		return nil //nolint:nilerr // there is none, or this process was never to see it
	}
	var errs []error
	for _, node := range nodes {
		errs = append(errs, removeBinds(filepath.Join(clusterBinds(cluster), node.Name())))
	}
	return errors.Join(errs...)
}

// binds are the private mounts of one start of a container.
type binds struct {
	binder *binder
	made   []string
}

// add mounts what file names, and returns where.
func (t *binds) add(file *os.File) (string, error) {
	t.binder.mu.Lock()
	defer t.binder.mu.Unlock()
	return t.addLocked(file)
}

func (t *binds) addLocked(file *os.File) (string, error) {
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	t.binder.count++
	target := filepath.Join(t.binder.dir, strconv.Itoa(t.binder.count))
	if info.IsDir() {
		err = os.Mkdir(target, 0o700)
	} else {
		err = os.WriteFile(target, nil, 0o600)
	}
	if err != nil {
		return "", err
	}
	t.made = append(t.made, target)
	return target, subpath.Bind(file, target)
}

// release takes the mounts away, and returns what it could not: that goes when the kubelet ends, or starts again.
func (t *binds) release() error {
	var errs []error
	for _, target := range t.made {
		err := subpath.Unbind(target)
		if err == nil {
			err = os.Remove(target)
		}
		errs = append(errs, err)
	}
	t.made = nil
	return errors.Join(errs...)
}
