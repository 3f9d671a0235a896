package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// CheckListen says why the API server could not listen on an address, before anything of a cluster is started or written: it is none,
// or its port is taken.
func CheckListen(ctx context.Context, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("listening on %q: an address has a host and a port, as 127.0.0.1:6443; port 0 takes any free one", address)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return listenError(address, err)
	}
	return listener.Close()
}

// listenError words the mistakes that everybody makes.
func listenError(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listening on %s: the port is taken, perhaps by another cluster; choose another one, or any "+
			"free one with port 0: --listen 127.0.0.1:0", address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listening on %s: this user may not use the port; choose one above 1023 with --listen", address)
	}
	return fmt.Errorf("listening for the API server, --listen %s: %w", address, err)
}
