package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"minik.dev/cluster"
	"minik.dev/kubelet/docker/dockertest"
)

// docker are what scripts do with a Docker engine: the docker command sees what is on it, whatever minik says.
var docker = map[string]func(*testscript.TestScript, bool, []string){
	"busybox": busybox, "clusterid": clusterID, "killcluster": killCluster, "left": left,
}

// dockerCondition is [docker]: an engine answers the docker command. With MINIK_TEST_DOCKER=require it is an error that none
// does.
func dockerCondition() (bool, error) {
	_, err := dockerCommand("version")
	if err != nil && os.Getenv(dockertest.Required) == "require" {
		return false, fmt.Errorf("%s=require: %w", dockertest.Required, err)
	}
	return err == nil, nil
}

// scriptCondition answers for what is in brackets in scripts: [docker], and [routes] for root on Linux.
func scriptCondition(name string) (bool, error) {
	switch name {
	case "docker":
		return dockerCondition()
	case "routes":
		return runtime.GOOS == "linux" && os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

func dockerCommand(args ...string) (string, error) {
	cmd := exec.Command("docker", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// busybox is `busybox FILE…`: the image with a shell takes the place of BUSYBOX in the files.
func busybox(ts *testscript.TestScript, _ bool, files []string) {
	for _, file := range files {
		text := strings.ReplaceAll(ts.ReadFile(file), "BUSYBOX", ts.Getenv("BUSYBOX"))
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// clusterID makes $CLUSTER what marks the cluster's containers on the engine. It is that of any container of the client pod.
func clusterID(ts *testscript.TestScript, _ bool, _ []string) {
	id := strings.TrimPrefix(ts.Getenv("ID"), "docker://")
	cluster, err := dockerCommand("inspect", "--format", `{{index .Config.Labels "minik.dev/cluster"}}`, id)
	ts.Check(err)
	if cluster == "" {
		ts.Fatalf("container %s has no label minik.dev/cluster", id)
	}
	ts.Setenv("CLUSTER", cluster)
}

// killCluster is kill -9 of the cluster that runs in the background.
func killCluster(ts *testscript.TestScript, _ bool, _ []string) {
	dir := filepath.Join(ts.Getenv("HOME"), ".minik")
	var state cluster.State
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(dir, "state.json"))), &state))
	process, err := os.FindProcess(state.PID)
	ts.Check(err)
	ts.Check(process.Kill())
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for began := time.Now(); time.Since(began) < patience; <-again.C {
		if state, err := cluster.Status(dir); err == nil && state.PID == 0 {
			return
		}
	}
	ts.Fatalf("the cluster's process %d does not end", state.PID)
}

// left is `left CONTAINERS NETWORKS VOLUMES`: so many of them are marked with $CLUSTER.
func left(ts *testscript.TestScript, _ bool, want []string) {
	label := "label=minik.dev/cluster=" + ts.Getenv("CLUSTER")
	for i, list := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q"}, {"volume", "ls", "-q"}} {
		out, err := dockerCommand(append(list, "--filter", label)...)
		ts.Check(err)
		if n := strconv.Itoa(len(strings.Fields(out))); n != want[i] {
			ts.Fatalf("docker %s tells of %s, not %s:\n%s", strings.Join(list, " "), n, want[i], out)
		}
	}
}

// A test that needs Docker and has none is a failure where Docker is required.
func TestDockerCondition(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "no.sock"))
	t.Setenv(dockertest.Required, "")
	if ok, err := dockerCondition(); ok || err != nil {
		t.Fatalf("without an engine: %t, %v", ok, err)
	}
	t.Setenv(dockertest.Required, "require")
	if _, err := dockerCondition(); err == nil {
		t.Fatal("without an engine that is required there is no error")
	}
}
