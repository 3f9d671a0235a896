package main

import (
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"minik.dev/kubelet/docker/dockertest"
)

// webSource is a program that stands for every image of a web server: it says who it is on ports 80 and 8080.
const webSource = `package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	host, _ := os.Hostname()
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, host) })
	for _, port := range []string{":80", ":8080"} {
		go func() {
			fmt.Fprintln(os.Stderr, http.ListenAndServe(port, nil))
			os.Exit(1)
		}()
	}
	fmt.Println("listening")
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	<-terminated
}
`

// The examples do with real containers what their first lines promise; the scripts in testdata/docker-examples type it. What
// users pull from registries is stood for by images that are made here, unless the engine has the real ones.
func TestExamplesOnDocker(t *testing.T) {
	web, busybox, tool := dockertest.Program(t, "web", webSource), dockertest.Busybox(t), dockertest.Tool(t)
	for name, image := range map[string]string{
		"nginx:1.29": web, "nginx:1.30": web, "busybox:1.37": busybox, "nvidia/cuda:12.8.1-base-ubuntu24.04": busybox,
		"registry.k8s.io/e2e-test-images/agnhost:2.53": tool,
	} {
		dockertest.Alias(t, image, name)
	}
	commands := map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "eventually": eventually, "setenv": setenv, "page": page, "hosts": hosts,
		// image NAME…: the engine has an image of a web server under that name.
		"image": func(_ *testscript.TestScript, _ bool, names []string) {
			for _, name := range names {
				dockertest.Alias(t, web, name)
			}
		},
		// absent NAME…: the engine has no such image.
		"absent": func(_ *testscript.TestScript, _ bool, names []string) {
			for _, name := range names {
				dockertest.Absent(t, name)
			}
		},
	}
	maps.Copy(commands, docker)
	makeShop(t)
	folder, err := filepath.Abs(examples)
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir:       "testdata/docker-examples",
		Condition: scriptCondition,
		Setup: func(env *testscript.Env) error {
			home := env.WorkDir + "/home"
			env.Setenv("HOME", home)
			env.Setenv("MINIK_HOME", "")
			env.Setenv("SUDO_UID", "")
			env.Setenv("KUBECONFIG", env.WorkDir+"/not-to-be-used")
			env.Setenv("EXAMPLES", folder)
			env.Setenv("DOCKER_HOST", os.Getenv("DOCKER_HOST"))
			env.Defer(func() { endDetached(env) })
			return os.MkdirAll(home, 0o755)
		},
		Cmds: commands,
	})
}

// The shop's image is made on the engine that minik finds, and found there the next time; no engine is no error.
func TestTheShopsImageIsMade(t *testing.T) {
	dockertest.Engine(t)
	require.Regexp(t, `^(made image minik\.dev/shop:1 \(\d+ KiB\) on|image minik\.dev/shop:1 is on) docker `, makeShop(t))
	require.Regexp(t, `^image minik\.dev/shop:1 is on docker .* already\n$`, makeShop(t))
	nowhere := "DOCKER_HOST=unix://" + filepath.Join(t.TempDir(), "no.sock")
	require.Regexp(t, `^no image for the shop, its containers are simulated: no engine answers at `, makeShop(t, nowhere))
}

// makeShop does what `make demo` does before it starts minik, and returns what it prints.
func makeShop(t *testing.T, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", "minik.dev/examples/shop/build")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// page is `page METHOD URL PATTERN…`: asked again and again, the URL answers with matches of all patterns at last.
func page(ts *testscript.TestScript, _ bool, args []string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	var last string
	for began := time.Now(); time.Since(began) < patience; <-again.C {
		request, err := http.NewRequest(args[0], args[1], nil)
		ts.Check(err)
		response, err := client.Do(request)
		if err != nil {
			last = err.Error()
			continue
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		ts.Check(err)
		last = string(body)
		if !slices.ContainsFunc(args[2:], func(pattern string) bool {
			return !regexp.MustCompile("(?m)" + pattern).MatchString(last)
		}) {
			return
		}
	}
	ts.Fatalf("%s %s did not answer with %q within %s, but at last: %s", args[0], args[1], args[2:], patience, last)
}

// hosts is `hosts N URL`: asked again and again, N hosts and no others have answered at last, each with its name.
func hosts(ts *testscript.TestScript, _ bool, args []string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	seen := map[string]bool{}
	for began := time.Now(); len(seen) < want && time.Since(began) < patience; <-again.C {
		response, err := client.Get(args[1])
		if err != nil {
			continue
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		ts.Check(err)
		host, _, _ := strings.Cut(string(body), "\n")
		seen[host] = true
	}
	if len(seen) != want {
		ts.Fatalf("%d hosts answered at %s within %s, not %d: %v", len(seen), args[1], patience, want, seen)
	}
}
