package cluster

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// A process of a test is this test binary once more: the environment names what it shall be, a whole cluster ("up") or a
// component ("apiserver", "kubelet node-1", …), and where.
const (
	roleEnv   = "MINIK_TEST_ROLE"
	dirEnv    = "MINIK_TEST_DATA_DIR"
	listenEnv = "MINIK_TEST_LISTEN"
	routesEnv = "MINIK_TEST_ROUTES"  // not empty: use routes where this user may
	engineEnv = "MINIK_TEST_RUNTIME" // what runs containers; empty is sim
	fleetEnv  = "MINIK_TEST_FLEET"   // how many nodes the role "fleet" simulates
)

// What a process prints when it listens to signals, and when it is ready.
const (
	begunLine = "begun"
	readyLine = "ready"
)

// playRole is the main function of such a process. It ends with its test, which holds the other end of its stdin.
func playRole(role string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Println(begunLine)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	component, node, _ := strings.Cut(role, " ")
	LimitMemory()
	options := Options{
		DataDir: os.Getenv(dirEnv), Listen: os.Getenv(listenEnv), Runtime: cmp.Or(os.Getenv(engineEnv), runtimeSim), Nodes: 2,
		Loopback: os.Getenv(routesEnv) == "",
		Logger:   slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	var err error
	if nodes := os.Getenv(fleetEnv); nodes != "" { // who chooses the addresses makes room for them
		if options.SimNodes, err = strconv.Atoi(nodes); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			return 1
		}
	}
	switch component {
	case "up":
		err = playUp(ctx, options)
	case "fleet":
		err = playFleet(ctx, options)
	case "floor":
		err = playFloor(ctx, options)
	default:
		last := map[string]string{"apiserver": "API server"}[component]
		options.Progress = func(stage Stage) {
			if stage.Name == last || stage.Name == component {
				fmt.Println(readyLine)
			}
		}
		err = Serve(ctx, component, options, ServeOptions{NodeName: node})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

func playUp(ctx context.Context, options Options) error {
	c, err := New(options)
	if err != nil {
		return err
	}
	go func() {
		select {
		case <-c.Ready():
			fmt.Println(readyLine)
		case <-ctx.Done():
		}
	}()
	return c.Run(ctx)
}

// playFleet is the agent of simulated nodes, and nothing else.
func playFleet(ctx context.Context, options Options) error {
	options.Progress = func(stage Stage) {
		if stage.Name == "fleet" {
			fmt.Println(readyLine)
		}
	}
	c, err := New(options)
	if err != nil {
		return err
	}
	c.stages = []stage{
		{"cluster", func(ctx context.Context) (string, error) { return c.join(ctx, "", true) }},
		{"fleet", func(context.Context) (string, error) {
			_, err := c.startFleet()
			return "", err
		}},
	}
	return c.Run(ctx)
}

// site is where a test's processes run: a data directory and a directory for temporary files.
type site struct {
	dir, tmp string
	listen   string
	routes   bool
	runtime  string
	shell    string // what a shell does before it becomes the process; "" is nothing
}

func newSite(t testing.TB) *site {
	// Short names: etcd's unix sockets lie in the data directory.
	dir, err := os.MkdirTemp("", "mk")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	s := &site{dir: filepath.Join(dir, "data"), tmp: filepath.Join(dir, "tmp"), listen: "127.0.0.1:0"}
	require.NoError(t, os.Mkdir(s.tmp, 0o700))
	return s
}

// process is a running process of a test.
type process struct {
	role  string
	cmd   *exec.Cmd
	log   string // the file that has its standard error
	begun chan struct{}
	ready chan struct{}
	ended chan struct{} // closed when it ended; err says how
	err   error
}

// start starts a process and does not wait until it is ready.
func (s *site) start(t testing.TB, role string) *process {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "log")
	require.NoError(t, err)
	p := &process{role: role, log: log.Name(), begun: make(chan struct{}), ready: make(chan struct{}),
		ended: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0])
	if s.shell != "" {
		p.cmd = exec.Command("sh", "-c", s.shell+` && exec "$0"`, os.Args[0])
	}
	p.cmd.Env = append(os.Environ(), roleEnv+"="+role, dirEnv+"="+s.dir, listenEnv+"="+s.listen, "TMPDIR="+s.tmp, engineEnv+"="+s.runtime)
	if s.routes {
		p.cmd.Env = append(p.cmd.Env, routesEnv+"=yes")
	}
	p.cmd.Stderr = log
	stdin, err := p.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			switch lines.Text() {
			case begunLine:
				close(p.begun)
			case readyLine:
				close(p.ready)
			}
		}
		p.err = p.cmd.Wait()
		_ = stdin.Close()
		_ = log.Close()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// run starts a process and returns when it is ready.
func (s *site) run(t testing.TB, role string) *process {
	t.Helper()
	p := s.start(t, role)
	select {
	case <-p.ready:
	case <-p.ended:
		require.FailNow(t, role+" ended before it was ready", "%v\n%s", p.err, p.said(t))
	case <-time.After(patience):
		require.FailNow(t, role+" is not ready", p.said(t))
	}
	return p
}

func (p *process) said(t testing.TB) string {
	text, err := os.ReadFile(p.log)
	require.NoError(t, err)
	return string(text)
}

// kill is kill -9.
func (p *process) kill(t testing.TB) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Kill())
	<-p.ended
}

// end sends the signal, and checks that the process ends in time and without an error.
func (p *process) end(t testing.TB, signal os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(signal))
	select {
	case <-p.ended:
		require.NoError(t, p.err, "%s after %s:\n%s", p.role, signal, p.said(t))
	case <-time.After(endsWithin):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		<-p.ended
		require.FailNow(t, fmt.Sprintf("%s did not end within %s after %s", p.role, endsWithin, signal), p.said(t))
	}
}

// endsWithin is how long Ctrl-C may take.
const endsWithin = 5 * time.Second

// config is the administrator's.
func (s *site) config(t testing.TB) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(s.dir, "kubeconfig"))
	require.NoError(t, err)
	config.QPS = -1
	return config
}

func (s *site) client(t testing.TB) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(s.config(t))
	require.NoError(t, err)
	return client
}

// address is the host and port of the API server.
func (s *site) address(t testing.TB) string {
	t.Helper()
	server, err := url.Parse(s.config(t).Host)
	require.NoError(t, err)
	return server.Host
}
