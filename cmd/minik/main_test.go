package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minik.dev/history/otlptest"
	"minik.dev/kubelet/docker/dockertest"
)

// TestMain lets the test binary stand in for minik in the scripts of testdata/script.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"minik": main})
}

// TestScripts runs each script with a home of its own, all of them at once. A cluster that a script has put into the
// background ends with it. $TAKEN is an address that somebody else listens on.
func TestScripts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	image := ""
	if found, err := dockerCondition(); found && err == nil {
		image = dockertest.Busybox(t)
	}
	commands := map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "eventually": eventually, "replies": replies, "setenv": setenv, "empty": empty, "same": same,
		"otlp": otlpFile, "compact": compact, "tells": tells, "columns": columns,
	}
	maps.Copy(commands, docker)
	testscript.Run(t, testscript.Params{
		Dir:       "testdata/script",
		Condition: scriptCondition,
		Setup: func(env *testscript.Env) error {
			home := env.WorkDir + "/home"
			env.Setenv("HOME", home)
			env.Setenv("USERPROFILE", home)
			env.Setenv("MINIK_HOME", "")
			env.Setenv("SUDO_UID", "")
			env.Setenv("KUBECONFIG", env.WorkDir+"/not-to-be-used")
			env.Setenv("TAKEN", taken.Addr().String())
			env.Setenv("BUSYBOX", image)
			env.Setenv("DOCKER_HOST", os.Getenv("DOCKER_HOST"))
			env.Defer(func() { endDetached(env) })
			return os.MkdirAll(home, 0o755)
		},
		Cmds: commands,
	})
}

// endDetached ends the cluster that the script may have left in the background, and removes what it has on an engine.
func endDetached(env *testscript.Env) {
	for _, verb := range []string{"down", "reset"} {
		end := exec.Command("minik", verb)
		end.Env = env.Vars
		for _, v := range env.Vars {
			if path, ok := strings.CutPrefix(v, "PATH="); ok {
				end.Path = strings.Split(path, string(os.PathListSeparator))[0] + "/minik"
			}
		}
		end.Err = nil // of looking for minik on this process' own path
		_ = end.Run() // it fails where there is none
	}
}

// tells is `tells PATTERN COMMAND…`: the command fails, and all that it prints is one line, whose end matches.
func tells(ts *testscript.TestScript, _ bool, args []string) {
	if err := ts.Exec(args[1], args[2:]...); err == nil {
		ts.Fatalf("%s did not fail", strings.Join(args[1:], " "))
	}
	printed := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	if !regexp.MustCompile(`^[^\n]*` + args[0] + `\n$`).MatchString(printed) {
		ts.Fatalf("%s did not say %q, but %q", strings.Join(args[1:], " "), args[0], printed)
	}
}

// compact is `compact REVISION`: the cluster's etcd forgets what is before it.
func compact(ts *testscript.TestScript, _ bool, args []string) {
	revision, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix://" + ts.Getenv("HOME") + "/.minik/etcd/client.sock"}})
	ts.Check(err)
	defer etcd.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = etcd.Compact(ctx, revision, clientv3.WithCompactPhysical())
	ts.Check(err)
}

// patience is for machines that are very busy.
const patience = time.Minute

// exits is `exits CODE COMMAND…`: the command ends with that exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	exit := (*exec.ExitError)(nil)
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%s ended with exit code %d, not %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// eventually is `eventually PATTERN COMMAND…`: repeated, the command prints a match of the pattern at last.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[0])
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for began := time.Now(); time.Since(began) < patience; <-again.C {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%s did not print %q within %s", strings.Join(args[1:], " "), args[0], patience)
}

// replies is `replies N URL`: that many different hosts answer at the URL, within N rounds of N requests.
func replies(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	hosts := map[string]bool{}
	for range want * want {
		response, err := client.Get(args[1])
		ts.Check(err)
		body, err := io.ReadAll(response.Body)
		ts.Check(err)
		response.Body.Close()
		host, _, _ := strings.Cut(string(body), "\n")
		hosts[host] = true
	}
	if len(hosts) != want {
		ts.Fatalf("%d hosts answered at %s, not %d: %v", len(hosts), args[1], want, hosts)
	}
}

// setenv is `setenv NAME`: what the last command printed becomes the value of a variable.
func setenv(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// same is `same A B`: two texts, perhaps of variables, are one.
func same(ts *testscript.TestScript, _ bool, args []string) {
	if args[0] != args[1] {
		ts.Fatalf("%s\nis not\n%s", args[0], args[1])
	}
}

// empty is `empty DIR`: nothing is in the directory.
func empty(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(entries) > 0 {
		ts.Fatalf("%s holds %v", args[0], entries)
	}
}

// otlpFile is `otlp FILE`: what the command printed into it is a trace that a tracing tool can read.
func otlpFile(ts *testscript.TestScript, _ bool, args []string) {
	traces, err := otlptest.Read([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(otlptest.Check(traces))
	if len(traces.ResourceSpans) == 0 {
		ts.Fatalf("there is no span in it")
	}
}
