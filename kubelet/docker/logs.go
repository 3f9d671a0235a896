package docker

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"minik.dev/kubelet/runtime"
)

// Logs is runtime.Runtime's. Standard output and standard error come as one log, as the lines were written.
func (r *Runtime) Logs(ctx context.Context, id string, options runtime.LogOptions, w io.Writer) error {
	name := engineID(id)
	seen, err := r.engine.client.ContainerInspect(ctx, name)
	if name == "" || errdefs.IsNotFound(err) {
		return fmt.Errorf("reading the log of %s: %w", id, runtime.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("looking at container %.12s: %w", name, err)
	}
	ask := container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: options.Follow, Timestamps: options.Timestamps}
	if options.Tail >= 0 {
		ask.Tail = strconv.FormatInt(options.Tail, 10)
	}
	if !options.Since.IsZero() {
		ask.Since = options.Since.UTC().Format(time.RFC3339Nano)
	}
	log, err := r.engine.client.ContainerLogs(ctx, name, ask)
	if errdefs.IsNotFound(err) {
		return fmt.Errorf("reading the log of %s: %w", id, runtime.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("reading the log of container %.12s: %w", name, err)
	}
	defer log.Close()
	if seen.Config.Tty {
		_, err = io.Copy(w, log)
	} else {
		_, err = stdcopy.StdCopy(w, w, log)
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading the log of container %.12s: %w", name, err)
	}
	return nil
}
