package apiserver

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// EtcdOptions say where and how the embedded etcd runs.
type EtcdOptions struct {
	// Dir holds the data and the unix sockets; it is made when it is missing.
	Dir string
	// LogFile takes etcd's own log, from warnings on.
	LogFile string
	// Quota bounds the database, in bytes; a database that reaches it takes no more writes. 0 is 4 GiB.
	Quota int64
	// Volatile leaves out the fsync of each write: for clusters whose data nobody wants back.
	Volatile bool
}

// Etcd is the store's etcd: in this process, or somewhere else.
type Etcd struct {
	// Client speaks to it; where it is embedded, by calling its functions directly.
	Client *clientv3.Client
	// Endpoint is where etcdctl finds it.
	Endpoint string
	// Embedded says that it runs in this process, and that nobody else writes to it.
	Embedded bool

	server *embed.Etcd
	log    *os.File
	dir    string // of the sockets, where it is not the data directory; removed at the end
}

// connectPatience is how long an etcd elsewhere may take to answer.
const connectPatience = 5 * time.Second

// ConnectEtcd uses an etcd that runs elsewhere.
func ConnectEtcd(ctx context.Context, servers []string) (*Etcd, error) {
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
	return &Etcd{Client: client, Endpoint: endpoint}, nil
}

// sockets bounds a unix socket's path: 108 bytes on Linux, 104 elsewhere.
const socketPath = 100

// The heartbeat and the election of a member that is alone need not wait for a network: a cluster is led after 0.1 s
// instead of 1 s.
const (
	tickMs     = 10
	electionMs = 100
)

// maxTxnOps bounds what one transaction does: a service with a thousand node ports is written with a claim for each.
const maxTxnOps = 2048

// StartEtcd starts an embedded etcd and returns when it serves.
func StartEtcd(ctx context.Context, o EtcdOptions) (*Etcd, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making etcd's data directory: %w", err)
	}
	if err := checkEtcd(filepath.Join(o.Dir, "data")); err != nil {
		return nil, damaged(o.Dir, err)
	}
	e := &Etcd{Embedded: true}
	sockets, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("finding etcd's data directory: %w", err)
	}
	if len(sockets)+len("/client.sock") > socketPath {
		hash := fnv.New64a()
		hash.Write([]byte(sockets))
		sockets = filepath.Join(os.TempDir(), fmt.Sprintf("minik-etcd-%x", hash.Sum64()))
		if err := os.MkdirAll(sockets, 0o700); err != nil {
			return nil, fmt.Errorf("making a directory for etcd's sockets: %w", err)
		}
		e.dir = sockets
	}
	e.Endpoint = "unix://" + filepath.Join(sockets, "client.sock")
	config := etcdConfig(o, sockets)
	if o.LogFile != "" {
		if e.log, err = os.OpenFile(o.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return nil, fmt.Errorf("opening etcd's log: %w", err)
		}
	}
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(etcdLogger(e.log))
	server, err := embed.StartEtcd(config)
	if err != nil {
		return nil, damaged(o.Dir, fmt.Errorf("starting etcd: %w", err))
	}
	e.server = server
	patience := time.NewTimer(startPatience) //nolint:forbidigo // etcd runs on real time, whatever the cluster's clock says
	defer patience.Stop()
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		server.Close()
		return nil, fmt.Errorf("starting etcd on %s: %w", o.Dir, err)
	case <-server.Server.StopNotify():
		return nil, fmt.Errorf("starting etcd on %s: it stopped; see %s", o.Dir, o.LogFile)
	case <-patience.C:
		server.Close()
		return nil, fmt.Errorf("starting etcd on %s: it serves nothing after %s; see %s", o.Dir, startPatience, o.LogFile)
	case <-ctx.Done():
		server.Close()
		return nil, ctx.Err()
	}
	e.Client = v3client.New(server.Server)
	e.Client.Watcher = &embeddedWatcher{e.Client.Watcher, server.Server}
	return e, nil
}

// startPatience is how long etcd may take to serve once it has read its data.
const startPatience = time.Minute

// damaged says what to do about data that etcd does not open.
func damaged(dir string, err error) error {
	return fmt.Errorf("%w; put a copy of %s back, or start with an empty cluster after `minik reset`", err, dir)
}

func etcdConfig(o EtcdOptions, sockets string) *embed.Config {
	config := embed.NewConfig()
	config.Name = "minik"
	config.Dir = filepath.Join(o.Dir, "data")
	client := url.URL{Scheme: "unix", Path: filepath.Join(sockets, "client.sock")}
	peer := url.URL{Scheme: "unix", Path: filepath.Join(sockets, "peer.sock")}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	config.TickMs, config.ElectionMs = tickMs, electionMs
	config.QuotaBackendBytes = 4 << 30
	if o.Quota > 0 {
		config.QuotaBackendBytes = o.Quota
	}
	config.MaxTxnOps = maxTxnOps
	config.UnsafeNoFsync = o.Volatile
	config.SnapshotCount = 10_000 // entries kept in memory for followers that there are none of
	config.SnapshotCatchUpEntries = 500
	return config
}

// etcdLogger writes etcd's warnings to the file; nil writes nothing. Where etcd cannot go on, because its disk is full or
// broken, it ends this process right after its last entry: that one is told on standard error too.
func etcdLogger(file *os.File) *zap.Logger {
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

// Defragment gives pages of the database back that hold nothing. Writes wait meanwhile.
func (e *Etcd) Defragment(ctx context.Context) error {
	if e.Embedded { // its client would panic: etcd v3.7 asks a gRPC server for its health, and there is none
		return e.server.Server.Backend().Defrag()
	}
	for _, endpoint := range e.Client.Endpoints() {
		if _, err := e.Client.Defragment(ctx, endpoint); err != nil {
			return err
		}
	}
	return nil
}

// Stop closes the client, and an embedded etcd. Every acknowledged write is on disk already.
func (e *Etcd) Stop() error {
	err := e.Client.Close()
	if e.Embedded {
		e.server.Close()
	}
	if e.dir != "" {
		err = errors.Join(err, os.RemoveAll(e.dir))
	}
	if e.log != nil {
		err = errors.Join(err, e.log.Close())
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
