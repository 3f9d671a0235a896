package etcd

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"google.golang.org/grpc"

	"minik.dev/private"
)

const (
	// socketName is the socket's in its directory.
	socketName = "client.sock"
	// socketPath bounds a unix socket's path: 108 bytes on Linux, 104 elsewhere.
	socketPath = 100
	// elsewhere is a file beside the data that names the directory of the socket, where the path would be too long there.
	elsewhere = "socket-dir"
	// shortPrefix begins the name of such a directory.
	shortPrefix = "minik-etcd-"
)

// socket is where etcdctl finds the embedded etcd: a file in a directory that nobody but this user can enter. An abstract
// socket, which is no file, would have no permissions: every user of the machine could write to the store.
type socket struct {
	listener net.Listener
	dir      string // made for the socket alone, and removed at the end; "" where it lies beside the data
	noted    string // the file that names dir
	server   *grpc.Server
	served   sync.WaitGroup
}

// listen listens beside the data, or, where the path would be too long there, in a new directory among the temporary files.
func listen(data string) (_ *socket, err error) {
	s := &socket{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	dir, err := filepath.Abs(data)
	if err != nil {
		return nil, fmt.Errorf("finding the socket's directory: %w", err)
	}
	if len(filepath.Join(dir, socketName)) > socketPath {
		s.noted = filepath.Join(dir, elsewhere)
		removeEarlier(s.noted, dir)
		if s.dir, err = private.Temporary(shortPrefix); err != nil {
			return nil, fmt.Errorf("making a directory with a short path for the socket: %w", err)
		}
		if err := os.WriteFile(s.noted, []byte(s.dir+"\n"+dir), 0o600); err != nil {
			return nil, fmt.Errorf("noting where the socket lies: %w", err)
		}
		dir = s.dir
	}
	path := filepath.Join(dir, socketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // a process that was killed left it
		return nil, fmt.Errorf("removing an earlier socket: %w", err)
	}
	if s.listener, err = net.Listen("unix", path); err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	return s, nil
}

// removeEarlier removes the directory that a process made for these data which was killed. It stands in the way of nothing. A
// copy of the data has the note too, and the directory is not its own.
func removeEarlier(noted, data string) {
	text, err := os.ReadFile(noted)
	dir, of, _ := strings.Cut(string(text), "\n")
	if err == nil && of == data && strings.HasPrefix(filepath.Base(dir), shortPrefix) && private.Check(dir) == nil {
		_ = os.RemoveAll(dir)
	}
}

func (s *socket) endpoint() string { return "unix://" + s.listener.Addr().String() }

// serve answers until close.
func (s *socket) serve(server *grpc.Server) {
	s.server = server
	s.served.Go(func() { _ = server.Serve(s.listener) }) // it ends by being stopped
}

// close ends all connections and removes what was made.
func (s *socket) close() error {
	var err error
	switch {
	case s.server != nil:
		s.server.Stop()
	case s.listener != nil:
		err = s.listener.Close()
	}
	s.served.Wait()
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir), os.Remove(s.noted))
	}
	return err
}
