package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"

	"minik.dev/cluster"
	"minik.dev/cmd/minik/serviceurl"
	"minik.dev/rollout"
)

// up is `minik up`: the whole cluster in this process.
type up struct {
	clusterFlags
	home      *home
	streams   genericiooptions.IOStreams
	manifests []string
	ephemeral bool
	nodes     int
	timeout   time.Duration
	simNodes  int
	capacity  string // of simulated nodes
	detach    bool
	options   cluster.Options // what check made of the flags
	refused   int             // how many objects the cluster did not take
}

func newUp(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	u := &up{home: home, streams: streams}
	cmd := &cobra.Command{
		Use:   "up [-f PATH]…",
		Short: "Run the whole cluster in this process; with -f apply manifests and wait until they are up",
		Example: `  minik up                            # three nodes, until Ctrl-C
  minik up -f examples/shop           # and a small shop on them
  minik up --runtime docker           # real containers, or an error that says why not
  minik up --ephemeral --nodes 5      # leaves nothing behind
  minik up --sim-nodes 5000           # and thousands of simulated nodes beside the three
  minik up --detach && minik down     # in the background`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return u.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&u.manifests, "filename", "f", nil, "File, directory or URL to apply once the cluster is ready")
	flags.BoolVar(&u.ephemeral, "ephemeral", false, "Keep the data in a temporary directory, removed at the end")
	flags.DurationVar(&u.timeout, "timeout", 5*time.Minute, "How long -f waits without progress, and 30s at most for what does not come by "+
		"waiting, as an image that is missing; 0 is no bound")
	flags.IntVar(&u.nodes, "nodes", 3, "Number of nodes, named node-1, node-2, …; data that has nodes keeps as many where none is given")
	flags.IntVar(&u.simNodes, "sim-nodes", 0,
		"Number of simulated nodes besides, for scale, named sim-1, sim-2, …, with the taint minik.dev/simulated:NoSchedule")
	flags.StringVar(&u.capacity, "sim-node-capacity", "", "Capacity of each of those; empty is that of the others")
	flags.BoolVar(&u.detach, "detach", false, "Go to the background once everything is ready; 'minik down' ends it")
	u.add(cmd)
	return cmd
}

// check makes the cluster's options of the flags, and refuses what cannot work before anything is started.
func (u *up) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("kubeconfig") {
		return usagef(cmd, "--kubeconfig names a cluster that runs already; '%s' starts its own", cmd.CommandPath())
	}
	if before := cluster.NodesBefore(u.home.dataDir); before > 0 && !u.ephemeral && !cmd.Flags().Changed("nodes") {
		u.nodes = before
	}
	if u.nodes < 1 {
		return usagef(cmd, "--nodes %d: a cluster has at least one node", u.nodes)
	}
	if u.simNodes < 0 {
		return usagef(cmd, "--sim-nodes %d: it is 0 or more", u.simNodes)
	}
	if u.ephemeral && u.detach {
		return usagef(cmd, "--ephemeral and --detach exclude each other: nothing could name the cluster afterwards")
	}
	if u.ephemeral && cmd.Flags().Changed("data-dir") {
		return usagef(cmd, "--ephemeral and --data-dir exclude each other")
	}
	options, err := u.clusterFlags.options(cmd, u.home)
	if err != nil {
		return err
	}
	options.Nodes, options.SimNodes = u.nodes, u.simNodes
	if u.capacity != "" {
		if options.SimNodeCapacity, err = cluster.ParseCapacity(u.capacity); err != nil {
			return usagef(cmd, "--sim-node-capacity %q: %v", u.capacity, err)
		}
	}
	if u.ephemeral {
		options.Ephemeral, options.DataDir = true, ""
	}
	u.options = options
	if err := checkManifests(u.manifests); err != nil {
		return err
	}
	return checkListen(cmd.Context(), u.home, u.ephemeral, options.Listen)
}

func (u *up) run(cmd *cobra.Command) error {
	if err := u.check(cmd); err != nil {
		return err
	}
	if u.detach && !detached() {
		return startDetached(u.home, u.streams.Out)
	}
	logs, err := u.openLog()
	if err != nil {
		return fmt.Errorf("starting in data dir %s: %w", u.home.dataDir, err)
	}
	defer func() { _ = logs.Close() }()
	u.options.Logger = newLogger(cmd, logs)
	cluster.LimitMemory()
	cluster.CollectLess(u.simNodes)
	u.options.Progress = func(stage cluster.Stage) { _, _ = io.WriteString(u.streams.Out, stageLine(stage)) }

	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = u.cluster(ctx, stop)
	if detached() {
		reportDetached(u.streams.Out, err)
	}
	if err == nil && u.refused > 0 {
		err = refusedError(u.refused)
	}
	return errors.Join(err, u.home.keepOwner(u.home.dataDir))
}

// openLog is the data directory's log. A cluster that leaves nothing behind logs nowhere.
func (u *up) openLog() (io.WriteCloser, error) {
	if u.ephemeral {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	return openLog(u.home)
}

// cluster runs the cluster until ctx ends, and the manifests on it. It returns when everything is gone but the data. The
// second Ctrl-C finds no handler any more and ends the process at once.
func (u *up) cluster(ctx context.Context, stopSignals func()) error {
	c, err := cluster.New(u.options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() {
		err := c.Run(ctx)
		cancel(errors.New("the cluster ended"))
		ended <- err
	}()

	var upErr error
	select {
	case <-c.Ready():
		upErr = u.onReady(ctx, c)
	case <-ctx.Done():
	}
	if upErr != nil {
		cancel(upErr)
	}
	<-ctx.Done()
	stopSignals()
	if !detached() {
		_, _ = fmt.Fprintf(u.streams.Out, "\nstopping: containers, listeners, routes and bridges go; %s\n", u.dataAfterwards())
	}
	runErr := <-ended
	if errors.Is(upErr, context.Canceled) {
		upErr = nil // it was stopped on purpose
	}
	return errors.Join(runErr, upErr)
}

// onReady applies the manifests, follows them until they are up, and says what to type next.
func (u *up) onReady(ctx context.Context, c *cluster.Cluster) error {
	if err := u.home.keepOwner(u.home.dataDir); err != nil {
		return err
	}
	next := next{
		minik: u.command(c), kubeconfig: c.Kubeconfig(), detach: u.detach, data: u.dataAfterwards(), node: fmt.Sprintf("node-%d", min(u.nodes, 2)),
	}
	if len(u.manifests) > 0 {
		objects, answers, err := u.bringUp(ctx, c)
		if err != nil {
			return err
		}
		next.namespace, next.url = onlyNamespace(objects), serviceurl.First(answers)
	}
	_, _ = io.WriteString(u.streams.Out, next.String())
	if detached() {
		return leaveTerminal(u.streams.Out, u.refused)
	}
	return nil
}

// bringUp is -f: apply, wait until every workload is available, and ask each Service for an answer.
func (u *up) bringUp(ctx context.Context, c *cluster.Cluster) ([]*resource.Info, []serviceurl.Answer, error) {
	out := u.streams.Out
	began := time.Now()
	applied, streams := &strings.Builder{}, u.streams
	streams.Out = applied
	objects, refused, err := applyManifests(c.Config(), u.manifests, streams, u.home.cacheDir())
	if err != nil {
		return nil, nil, err
	}
	u.refused = len(refused)
	_, _ = io.WriteString(out, stageLine(cluster.Stage{
		Name: "manifests", Took: time.Since(began), Detail: applySummary(applied.String()),
	}))
	if len(refused) > 0 {
		_, _ = fmt.Fprintf(out, "\nrefused:\n  %s\n", strings.Join(refused, "\n  "))
	}
	client, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		return nil, nil, fmt.Errorf("making a client for the rollout: %w", err)
	}
	watch, err := rollout.New(client, objects)
	if err != nil {
		return nil, nil, err
	}
	_, _ = fmt.Fprintln(out, "\nrollout:")
	workloads, err := watch.Follow(ctx, out, u.timeout)
	if err != nil {
		return nil, nil, err
	}
	_, _ = fmt.Fprintf(out, "  %s\n", rollout.Verdict(workloads, time.Since(began)))

	answers, err := askServices(ctx, client, objects, c.Address)
	if err != nil {
		return nil, nil, err
	}
	if len(answers) > 0 {
		_, _ = fmt.Fprintf(out, "\nservices:\n%s\n", strings.Join(serviceurl.Lines(answers), "\n"))
	}
	return objects, answers, nil
}

// refusedError is how many objects were refused, each of which has been told.
type refusedError int

func (n refusedError) Error() string {
	if n == 1 {
		return "an object was refused, as said above: correct it, and apply it with kubectl apply"
	}
	return fmt.Sprintf("%d objects were refused, as said above: correct them, and apply them with kubectl apply", int(n))
}

// askServices asks each Service among the objects for an answer at its ports.
func askServices(ctx context.Context, client kubernetes.Interface, objects []*resource.Info,
	address func(ip string, port int32) string) ([]serviceurl.Answer, error) {
	var services []*corev1.Service
	for _, object := range objects {
		if object.Mapping.GroupVersionKind != corev1.SchemeGroupVersion.WithKind("Service") {
			continue
		}
		service, err := client.CoreV1().Services(object.Namespace).Get(ctx, object.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) { // it was refused
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading where service %s answers: %w", object.Name, err)
		}
		services = append(services, service)
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing nodes for the services' URLs: %w", err)
	}
	return serviceurl.Check(ctx, serviceurl.Of(services, nodes.Items, address)), nil
}

// dataAfterwards says what becomes of the data.
func (u *up) dataAfterwards() string {
	if u.ephemeral {
		return "the data goes too"
	}
	return "the data stays"
}

// command is how minik is called for this cluster.
func (u *up) command(c *cluster.Cluster) string {
	if u.ephemeral {
		return u.home.program() + " --kubeconfig " + c.Kubeconfig()
	}
	return u.home.program() + u.home.flag()
}

// stageLine is one line of the start.
func stageLine(stage cluster.Stage) string {
	took := "<1ms"
	if stage.Took >= time.Millisecond {
		took = stage.Took.Round(time.Millisecond).String()
	}
	line := fmt.Sprintf("  %-14s %8s", stage.Name, took)
	if stage.Detail != "" {
		line += "  " + stage.Detail
	}
	return line + "\n"
}
