package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"minik.dev/kubelet/runtime"
)

// How often the engine is asked whether a command has ended whose output is complete: it notes that a moment later.
const (
	exitLooks = 200
	exitPause = 10 * time.Millisecond
)

// noKeys are what a client would have to press to leave a terminal: something that nobody does. The engine's own choice
// would swallow Ctrl-P.
const noKeys = "ctrl-^,ctrl-@,ctrl-^,ctrl-@,ctrl-^,ctrl-@"

// Exec is runtime.Executor's. Of a command that cannot be started the engine writes why where its output would be, and notes
// 126 or 127 as its exit code: that is passed on.
func (r *Runtime) Exec(ctx context.Context, id string, command []string, streams runtime.Streams) (int32, error) {
	c, ok := r.lookup(id)
	if !ok || c.isSandbox() || c.container.State != runtime.Running {
		return 0, fmt.Errorf("running %q in %s: %w", command, id, runtime.ErrNotFound)
	}
	made, err := r.engine.client.ContainerExecCreate(ctx, c.id, container.ExecOptions{
		Cmd: command, Tty: streams.TTY, AttachStdin: streams.Stdin != nil, AttachStdout: streams.Stdout != nil,
		AttachStderr: streams.Stderr != nil, DetachKeys: noKeys,
	})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) { // a conflict says that it does not run
		return 0, fmt.Errorf("running %q in %s: %w", command, id, runtime.ErrNotFound)
	}
	if err != nil {
		return 0, fmt.Errorf("preparing %q in container %s: %w", command, c.name, err)
	}
	connection, err := r.engine.client.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{Tty: streams.TTY})
	if err != nil {
		return 0, fmt.Errorf("running %q in container %s: %w", command, c.name, err)
	}
	resize := func(size runtime.TerminalSize) error {
		return r.engine.client.ContainerExecResize(ctx, made.ID,
			container.ResizeOptions{Width: uint(size.Width), Height: uint(size.Height)})
	}
	if err := r.stream(ctx, connection, streams, streams.TTY, resize); err != nil {
		return 0, fmt.Errorf("running %q in container %s: %w", command, c.name, err)
	}
	return r.exitCode(ctx, made.ID)
}

// exitCode is how a command ended whose output has ended.
func (r *Runtime) exitCode(ctx context.Context, exec string) (int32, error) {
	for range exitLooks {
		seen, err := r.engine.client.ContainerExecInspect(ctx, exec)
		if err != nil {
			return 0, fmt.Errorf("asking how a command ended: %w", err)
		}
		if !seen.Running {
			return int32(seen.ExitCode), nil
		}
		select {
		case <-r.options.Clock.After(exitPause):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return 0, errors.New("the command has closed its output and runs on")
}

// Attach is runtime.Executor's.
func (r *Runtime) Attach(ctx context.Context, id string, streams runtime.Streams) error {
	c, ok := r.lookup(id)
	if !ok || c.isSandbox() || c.container.State != runtime.Running {
		return fmt.Errorf("attaching to %s: %w", id, runtime.ErrNotFound)
	}
	connection, err := r.engine.client.ContainerAttach(ctx, c.id, container.AttachOptions{
		Stream: true, Stdin: streams.Stdin != nil, Stdout: streams.Stdout != nil, Stderr: streams.Stderr != nil,
		DetachKeys: noKeys,
	})
	if err != nil {
		return fmt.Errorf("attaching to container %s: %w", c.name, err)
	}
	// Asked now: to a container that ended before, the engine attaches all the same, and waits for its next start.
	seen, err := r.engine.client.ContainerInspect(ctx, c.id)
	if err == nil && !seen.State.Running {
		err = runtime.ErrNotFound
	}
	if err != nil {
		connection.Close()
		return fmt.Errorf("attaching to container %s: %w", c.name, err)
	}
	resize := func(size runtime.TerminalSize) error {
		return r.engine.client.ContainerResize(ctx, c.id,
			container.ResizeOptions{Width: uint(size.Width), Height: uint(size.Height)})
	}
	if err := r.stream(ctx, connection, streams, seen.Config.Tty, resize); err != nil {
		return fmt.Errorf("attached to container %s: %w", c.name, err)
	}
	return nil
}

// stream copies both ways until the process has closed its output or ctx is done. That the client closes its input closes
// the process's, and its output goes on.
func (r *Runtime) stream(ctx context.Context, connection types.HijackedResponse, streams runtime.Streams, tty bool,
	resize func(runtime.TerminalSize) error) error {
	defer connection.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, connection.Close)()
	if streams.Stdin != nil {
		// It ends with the connection, or when the caller closes what it reads from.
		go func() {
			_, _ = io.Copy(connection.Conn, streams.Stdin)
			_ = connection.CloseWrite()
		}()
	}
	if streams.Resize != nil {
		go func() {
			for {
				select {
				case size, ok := <-streams.Resize:
					if !ok {
						return
					}
					if err := resize(size); err != nil && ctx.Err() == nil {
						r.log.Debug("a terminal was not resized", "error", err)
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	var err error
	if tty {
		_, err = io.Copy(or(streams.Stdout), connection.Reader)
	} else {
		_, err = stdcopy.StdCopy(or(streams.Stdout), or(streams.Stderr), connection.Reader)
	}
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	return err
}

func or(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
