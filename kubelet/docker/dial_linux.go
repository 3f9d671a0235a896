package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// dialInside connects to localhost in the network namespace of a process. It needs root. The namespace is that of one
// thread, which leaves it again; the connection stays in it wherever it is used.
func dialInside(ctx context.Context, pid int, port string) (net.Conn, error) {
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, fmt.Errorf("opening the pod's network: %w", err)
	}
	defer func() { _ = namespace.Close() }()
	type result struct {
		connection net.Conn
		err        error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		leave, err := ownNamespace()
		if err != nil {
			runtime.UnlockOSThread()
			done <- result{err: err}
			return
		}
		// A thread that cannot leave stays locked, and ends with this goroutine. That may be the main thread, by whose
		// namespace the kernel answers for the process: so it has to be tried.
		defer leave()
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{err: fmt.Errorf("entering the pod's network: %w", err)}
			return
		}
		var dialer net.Dialer
		var errs []error
		for _, host := range []string{"127.0.0.1", "::1"} {
			connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
			if err == nil {
				done <- result{connection: connection}
				return
			}
			errs = append(errs, err)
		}
		done <- result{err: errors.Join(errs...)}
	}()
	r := <-done
	return r.connection, r.err
}

// ownNamespace remembers the thread's network namespace, and returns how to go back to it and unlock the thread.
func ownNamespace() (leave func(), err error) {
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("remembering this machine's network: %w", err)
	}
	return func() {
		if unix.Setns(int(own.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		_ = own.Close()
	}, nil
}
