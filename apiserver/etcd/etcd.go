package etcd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/client/pkg/v3/types"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"go.etcd.io/etcd/server/v3/features"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"minik.dev/private"
)

// Options say where and how the embedded etcd runs.
type Options struct {
	// Dir holds the data and the unix socket; it is made when it is missing, and closed to everyone else when it is not.
	Dir string
	// LogFile takes etcd's own log, from warnings on.
	LogFile string
	// Quota bounds the database, in bytes; a database that reaches it takes no more writes. 0 is 4 GiB.
	Quota int64
	// Volatile leaves out the fsync of each write: for clusters whose data nobody wants back.
	Volatile bool
}

// Server is the store's etcd: in this process, or somewhere else.
type Server struct {
	// Client speaks to it; where it is embedded, by calling its functions directly.
	Client *clientv3.Client
	// Endpoint is where etcdctl finds it.
	Endpoint string
	// embedded says that it runs in this process.
	embedded bool

	server *etcdserver.EtcdServer
	log    *os.File
	socket *socket
}

// connectPatience is how long an etcd elsewhere may take to answer.
const connectPatience = 5 * time.Second

// Connect uses an etcd that runs elsewhere.
func Connect(ctx context.Context, servers []string) (*Server, error) {
	endpoint := strings.Join(servers, ",")
	client, err := clientv3.New(clientv3.Config{Endpoints: servers, DialTimeout: connectPatience, Logger: zap.NewNop()})
	if err != nil {
		return nil, fmt.Errorf("connecting to etcd at %s: %w", endpoint, err)
	}
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	if _, err := client.Get(ctx, "/minik/health"); err != nil {
		return nil, errors.Join(fmt.Errorf("asking etcd at %s: %w; is it running, and is --etcd-servers right?", endpoint, err),
			client.Close())
	}
	return &Server{Client: client, Endpoint: endpoint}, nil
}

// The heartbeat and the election of a member that is alone need not wait for a network: a cluster is led after 0.1 s
// instead of 1 s.
const (
	tickMs        = 10
	electionTicks = 10
)

// maxTxnOps bounds what one transaction does: a service with a thousand node ports is written with a claim for each.
const maxTxnOps = 2048

// Start starts an embedded etcd and returns when it serves. It is a member that is alone, so nothing listens for other
// members: who can reach such a listener can forge what the member stores. What listens is a unix socket for etcdctl, in a
// directory of this user's alone.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	if err := private.Make(o.Dir); err != nil {
		return nil, fmt.Errorf("making etcd's data directory: %w", err)
	}
	data := filepath.Join(o.Dir, "data")
	began, err := check(data)
	if err != nil {
		return nil, damaged(o.Dir, err)
	}
	if !began && neverBegan(data) {
		if err := os.RemoveAll(data); err != nil {
			return nil, fmt.Errorf("removing what a first start left that was cut off: %w", err)
		}
	}
	e := &Server{embedded: true}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Stop())
		}
	}()
	if o.LogFile != "" {
		if e.log, err = os.OpenFile(o.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return nil, fmt.Errorf("opening etcd's log: %w", err)
		}
	}
	if e.socket, err = listen(o.Dir); err != nil {
		return nil, fmt.Errorf("listening for etcdctl: %w", err)
	}
	e.Endpoint = e.socket.endpoint()
	server, err := etcdserver.NewServer(configOf(o, e.Endpoint, loggerTo(e.log)))
	if err != nil {
		return nil, damaged(o.Dir, fmt.Errorf("starting etcd: %w", err))
	}
	e.server = server
	server.Start()
	patience := time.NewTimer(startPatience) //nolint:forbidigo // etcd runs on real time, whatever the cluster's clock says
	defer patience.Stop()
	select {
	case <-server.ReadyNotify():
	case <-server.StopNotify():
		return nil, fmt.Errorf("starting etcd on %s: it stopped; see %s", o.Dir, o.LogFile)
	case <-patience.C:
		return nil, fmt.Errorf("starting etcd on %s: it serves nothing after %s; see %s", o.Dir, startPatience, o.LogFile)
	case <-ctx.Done():
		// A member that is stopped before its first entry is on disk would wait for a leader for ever when it starts again.
		select {
		case <-server.ReadyNotify():
		case <-patience.C:
		}
		return nil, ctx.Err()
	}
	e.Client = v3client.New(server)
	e.Client.Watcher = &embeddedWatcher{e.Client.Watcher, server}
	e.socket.serve(v3rpc.Server(server, nil, nil))
	return e, nil
}

// startPatience is how long etcd may take to serve once it has read its data.
const startPatience = time.Minute

// damaged says what to do about data that etcd does not open.
func damaged(dir string, err error) error {
	return fmt.Errorf("%w; put a copy of %s back, or start with an empty cluster after `minik reset`", err, dir)
}

// peerURL is where other members would find this one, if there were any and it listened. Etcd wants one to know itself by.
var peerURL = url.URL{Scheme: "unix", Host: "no-peers"}

// configOf is what etcd's own command line would make of its defaults, but for what is said beside it.
func configOf(o Options, endpoint string, logger *zap.Logger) config.ServerConfig {
	const name = "minik"
	c := config.ServerConfig{
		Name: name, NewCluster: true, DataDir: filepath.Join(o.Dir, "data"),
		PeerURLs: types.URLs{peerURL}, InitialPeerURLsMap: types.URLsMap{name: {peerURL}}, InitialClusterToken: "etcd-cluster",
		ClientURLs: types.URLs{{Scheme: "unix", Path: strings.TrimPrefix(endpoint, "unix://")}},
		TickMs:     tickMs, ElectionTicks: electionTicks, InitialElectionTickAdvance: true, PreVote: true,
		MaxSnapFiles: 5, MaxWALFiles: 5,
		SnapshotCount: snapshotCount, SnapshotCatchUpEntries: 1, // there are no followers that entries would be kept for in memory
		QuotaBackendBytes: 4 << 30, BackendFreelistType: bbolt.FreelistMapType, MaxTxnOps: maxTxnOps, MaxRequestBytes: maxEtcdRequest, UnsafeNoFsync: o.Volatile,
		MaxConcurrentStreams: math.MaxUint32, AuthToken: "simple", BcryptCost: 10, StrictReconfigCheck: true,
		WarningApplyDuration: 100 * time.Millisecond, WarningUnaryRequestDuration: 300 * time.Millisecond,
		DowngradeCheckTime: 5 * time.Second, CompactHashCheckTime: time.Minute, MaxLearners: 1,
		ServerFeatureGate: features.NewDefaultServerFeatureGate(name, logger), Logger: logger,
	}
	if o.Quota > 0 {
		c.QuotaBackendBytes = o.Quota
	}
	return c
}

// snapshotCount is how many entries of its log etcd reads again at most when it starts: all of them at once, into memory.
const snapshotCount = 2000

// maxEtcdRequest bounds one write to etcd, in bytes: etcd's own default, which upstream has as well.
const maxEtcdRequest = 3 << 19

// loggerTo writes etcd's warnings to the file; nil writes nothing. Where etcd cannot go on, because its disk is full or
// broken, it ends this process right after its last entry: that one is told on standard error too.
func loggerTo(file *os.File) *zap.Logger {
	if file == nil {
		return zap.NewNop()
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = zapcore.ISO8601TimeEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(encoding), zapcore.Lock(file), zap.WarnLevel)
	return zap.New(core, zap.Hooks(func(entry zapcore.Entry) error {
		if entry.Level >= zap.PanicLevel {
			_, _ = fmt.Fprintf(os.Stderr, "minik: etcd can't go on: %s; see %s\n", entry.Message, file.Name())
		}
		return nil
	}))
}

// SoleWriter reports whether this process alone writes to the etcd, which has no other member: then its own writes and answers
// tell the newest revision, and what it has applied is all there is. It is the one question about how many servers there are:
// nothing outside this package may take for granted that there is one. It may be asked at any time, as members may join.
func (e *Server) SoleWriter() bool { return e.embedded } // an embedded etcd is a member that is alone, so far

// Defragment gives pages of the database back that hold nothing. Writes wait meanwhile.
func (e *Server) Defragment(ctx context.Context) error {
	if e.embedded { // its client would panic: etcd v3.7 asks a gRPC server for its health, and there is none
		return e.server.Backend().Defrag()
	}
	for _, endpoint := range e.Client.Endpoints() {
		if _, err := e.Client.Defragment(ctx, endpoint); err != nil {
			return err
		}
	}
	return nil
}

// Stop closes the client, and an embedded etcd. Every acknowledged write is on disk already.
func (e *Server) Stop() error {
	var err error
	if e.socket != nil {
		err = e.socket.close()
	}
	if e.Client != nil {
		err = errors.Join(err, e.Client.Close())
	}
	if e.server != nil {
		e.server.Stop()
	}
	if e.log != nil {
		err = errors.Join(err, e.log.Close())
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
