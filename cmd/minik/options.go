package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"minik.dev/cluster"
	"minik.dev/cluster/network"
)

// clusterFlags are the flags that `up` and `serve` have in common: what a cluster, or one component of it, is made of.
type clusterFlags struct {
	listen          string
	runtime         string
	nodeCapacity    string
	simImages       []string
	podCIDR         string
	serviceCIDR     string
	expose          []string
	externalIPs     []string
	foreignNodes    []string
	etcdServers     []string
	schedulerConfig string
	history         string
}

// runtimes are what --runtime takes.
var runtimes = []string{"auto", "docker", "sim"}

func (f *clusterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:6443",
		"Address of the API server; port 0 takes any free one. An address of the loopback is closed to other machines, any other "+
			"is open to all that reach it")
	flags.StringSliceVar(&f.expose, "expose", nil,
		"Address ranges of other machines that may reach Services, node ports and pods, for example 192.168.0.0/16; without it "+
			"this machine and its pods may, and nobody else")
	flags.StringVar(&f.runtime, "runtime", "auto",
		"What runs containers: docker, sim (simulated), or auto, which is docker where its engine answers")
	flags.StringVar(&f.nodeCapacity, "node-capacity", "",
		"Capacity of each node, for example nvidia.com/gpu=1; what is not named is cpu=4,memory=8Gi,pods=110,ephemeral-storage=100Gi")
	flags.StringSliceVar(&f.simImages, "sim-images", nil, "Images that the sim runtime takes although it would refuse them")
	flags.StringVar(&f.podCIDR, "pod-cidr", "", "Address range of the pods; empty takes the first free one")
	flags.StringVar(&f.serviceCIDR, "service-cidr", "", "Address range of the Services; empty takes the first free one")
	flags.StringSliceVar(&f.externalIPs, "external-ips", nil,
		"Address ranges of this machine's that Services may take by spec.externalIPs; without it nobody listens on those")
	flags.StringSliceVar(&f.foreignNodes, "foreign-nodes", nil,
		"Address ranges of nodes on other machines, and of their pods, that the API server may connect to for logs, exec, "+
			"port-forward and proxy; without it only to this cluster's own")
	flags.StringSliceVar(&f.etcdServers, "etcd-servers", nil, "URLs of an etcd to use in place of the embedded one")
	flags.StringVar(&f.history, "history", "12h,1Gi",
		"How much of the past is kept: an age, a size of etcd's data, or both; what is reached first counts")
	flags.StringVar(&f.schedulerConfig, "scheduler-config", "", "File with a KubeSchedulerConfiguration")
}

// options checks the flags and makes a cluster's options of them.
func (f *clusterFlags) options(cmd *cobra.Command, home *home) (cluster.Options, error) {
	if !slices.Contains(runtimes, f.runtime) {
		return cluster.Options{}, usagef(cmd, "--runtime %q is none of %s", f.runtime, strings.Join(runtimes, ", "))
	}
	options := cluster.Options{
		DataDir:         home.dataDir,
		Listen:          f.listen,
		Runtime:         f.runtime,
		SimImages:       f.simImages,
		PodCIDR:         f.podCIDR,
		ServiceCIDR:     f.serviceCIDR,
		EtcdServers:     f.etcdServers,
		SchedulerConfig: f.schedulerConfig,
	}
	if f.nodeCapacity != "" {
		capacity, err := cluster.ParseCapacity(f.nodeCapacity)
		if err != nil {
			return cluster.Options{}, usagef(cmd, "--node-capacity %q: %v", f.nodeCapacity, err)
		}
		options.NodeCapacity = capacity
	}
	var err error
	if options.Expose, err = network.ParseRanges(f.expose); err != nil {
		return cluster.Options{}, usagef(cmd, "--expose %v", err)
	}
	if options.ExternalIPs, err = network.ParseRanges(f.externalIPs); err != nil {
		return cluster.Options{}, usagef(cmd, "--external-ips %v", err)
	}
	if options.ForeignNodes, err = network.ParseRanges(f.foreignNodes); err != nil {
		return cluster.Options{}, usagef(cmd, "--foreign-nodes %v", err)
	}
	if options.History, err = cluster.ParseHistory(f.history); err != nil {
		return cluster.Options{}, usagef(cmd, "--history %q: %v", f.history, err)
	}
	if f.schedulerConfig != "" {
		if _, err := os.Stat(f.schedulerConfig); err != nil {
			return cluster.Options{}, usagef(cmd, "--scheduler-config: %v", err)
		}
	}
	return options, nil
}

// checkListen refuses an address that the API server cannot listen on. Where the data dir's cluster runs already it says nothing: that is
// the better answer.
func checkListen(ctx context.Context, home *home, ephemeral bool, address string) error {
	if !ephemeral {
		if state, err := cluster.Status(home.dataDir); err != nil || state.PID != 0 {
			return nil
		}
	}
	return cluster.CheckListen(ctx, address)
}

// maxLog is the size in bytes above which a log file is put aside at the next start.
const maxLog = 16 << 20

// openLog opens the cluster's log for appending. One that has grown too long is kept as minik.log.1, in place of the
// one before it.
func openLog(home *home) (io.WriteCloser, error) {
	path := home.logFile()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the log: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("putting the old log aside: %w", err)
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	return file, nil
}

// newLogger logs to out; the libraries' own log lines go the same way, so that a terminal stays readable. -v above 0
// shows debug lines.
func newLogger(cmd *cobra.Command, out io.Writer) *slog.Logger {
	level := slog.LevelInfo
	if v := cmd.Flags().Lookup("v"); v != nil && v.Value.String() != "0" {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
	klog.SetSlogLogger(logger)
	return logger
}
