package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"k8s.io/component-base/cli"
	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kubecontrollermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kubescheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"

	"minik.dev/apiserver/etcd"
)

// A server of upstream's is this test binary once more: the environment names which one it shall be.
const serverEnv = "MINIK_CONFORMANCE_SERVER"

var servers = map[string]func() *cobra.Command{
	"kube-apiserver":          kubeapiserver.NewAPIServerCommand,
	"kube-controller-manager": kubecontrollermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return kubescheduler.NewSchedulerCommand() },
	"kwok":                    kwokCommand,
	"etcd":                    etcdCommand,
}

const (
	// patience is for machines that are very busy, and for upstream's servers, which take their time to begin.
	patience = 3 * time.Minute
	tick     = 50 * time.Millisecond
)

func TestMain(m *testing.M) {
	if server := os.Getenv(serverEnv); server != "" {
		go func() { // it ends with its test, which holds the other end
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(3)
		}()
		os.Exit(cli.Run(servers[server]()))
	}
	os.Exit(m.Run())
}

// kwokCommand is KWOK with what its own main puts into the context: its logger and its configuration.
func kwokCommand() *cobra.Command {
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ExitOnError) // Kubernetes' own servers have put a --version there that is not kwok's
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	ctx, _ = log.InitFlags(ctx, flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		panic(err) // the configuration is the default
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	command.SetContext(ctx)
	command.PostRun = func(*cobra.Command, []string) { stop() }
	return command
}

// etcdCommand serves minik's own etcd on a unix socket in the directory that is its argument, and prints the endpoint.
func etcdCommand() *cobra.Command {
	return &cobra.Command{Use: "etcd DIR", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		server, err := etcd.Start(ctx, etcd.Options{Dir: args[0], LogFile: args[0] + ".log", Volatile: true})
		if err != nil {
			return err
		}
		fmt.Println(server.Endpoint)
		<-ctx.Done()
		return server.Stop()
	}}
}

// server is a server of upstream's that runs.
type server struct {
	name string
	log  string // the file that has what it says
	stop func()
}

// start starts a server of upstream's with these arguments; it ends with the test, if it does not end by itself before, which fails it.
func start(t *testing.T, name string, args ...string) *server {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), serverEnv+"="+name)
	cmd.Stdout, cmd.Stderr = file, file
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s := &server{name: name, log: file.Name()}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		select {
		case err := <-ended:
			t.Errorf("%s has ended by itself: %v", name, err)
			t.Log(s.tail())
		default:
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-ended:
			case <-time.After(patience):
				_ = cmd.Process.Kill()
				<-ended
				t.Errorf("%s did not end when it was told to", name)
			}
		}
		_ = stdin.Close()
		_ = file.Close()
	}
	t.Cleanup(s.stop)
	return s
}

// said is all that the server has said so far.
func (s *server) said() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

// tail is the end of what it has said.
func (s *server) tail() string {
	text := s.said()
	return s.name + " says:\n" + text[max(0, len(text)-3000):]
}

// errors are what the server has logged as an error: klog begins such lines with E, and F is its end. What passes is an error
// that says one of these.
func (s *server) errors(passes ...string) (lines []string) {
	for line := range bytes.Lines([]byte(s.said())) {
		text := strings.TrimSpace(string(line))
		if len(text) < 5 || !strings.ContainsRune("EF", rune(text[0])) || strings.Trim(text[1:5], "0123456789") != "" {
			continue
		}
		if passing(text, passes) {
			continue
		}
		lines = append(lines, text)
	}
	return lines
}

func passing(text string, passes []string) bool {
	for _, pass := range passes {
		if strings.Contains(text, pass) {
			return true
		}
	}
	return false
}
