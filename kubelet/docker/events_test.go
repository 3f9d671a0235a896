package docker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"

	"minik.dev/kubelet/docker/dockertest"
	"minik.dev/kubelet/runtime"
)

// played is a node on an engine that is played by answer.
func played(t *testing.T, answer http.HandlerFunc) *Runtime {
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	cli, err := client.NewClientWithOpts(client.WithHost("tcp://"+server.Listener.Addr().String()),
		client.WithVersion(leastAPI))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cli.Close()) })
	return NewRuntime(&Engine{client: cli, arch: "amd64"}, Options{Cluster: "c", Node: "n"})
}

func inspected(w http.ResponseWriter, state container.State) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{ID: "x", State: &state},
		Config:            &container.Config{Labels: map[string]string{labelUID: "u", labelContainer: "main"}}})
}

// A look that was slow and found a container does not bring it back after another one found it gone.
func TestWhatIsGoneStaysGone(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	first := make(chan bool, 1)
	first <- true
	r := played(t, func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-first:
			close(asked)
			<-release
			inspected(w, container.State{Status: "running", Running: true})
		default:
			http.Error(w, `{"message":"no such container"}`, http.StatusNotFound)
		}
	})
	slow := make(chan error, 1)
	go func() { slow <- r.refresh(t.Context(), "x") }()
	<-asked
	require.NoError(t, r.refresh(t.Context(), "x"))
	close(release)
	require.NoError(t, <-slow)
	require.Empty(t, r.containers)
	require.Empty(t, r.pods)
	require.Empty(t, r.looks)
	require.Empty(t, r.gone, "nothing is remembered for longer than it matters")
}

// What was listed as created may run by the time that it is looked at.
func TestOnlyWhatNeverRanIsDropped(t *testing.T) {
	state, removed := container.State{Status: "running", Running: true}, 0
	r := played(t, func(w http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodDelete {
			removed++
			w.WriteHeader(http.StatusNoContent)
			return
		}
		inspected(w, state)
	})
	require.NoError(t, r.dropUnstarted(t.Context(), "x"))
	require.Zero(t, removed)
	require.Equal(t, runtime.Running, r.containers["x"].container.State)
	state = container.State{Status: "created", Error: "no such program"}
	require.NoError(t, r.dropUnstarted(t.Context(), "x"))
	require.Zero(t, removed)
	require.Equal(t, "StartError", r.containers["x"].container.Reason)
	state = container.State{Status: "created"}
	require.NoError(t, r.dropUnstarted(t.Context(), "x"))
	require.Equal(t, 1, removed)
}

// A look that fails is made up for: everything is listed again.
func TestAFailedLookIsMadeUpFor(t *testing.T) {
	var listed, looked atomic.Int32
	r := played(t, func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch path := request.URL.Path; {
		case strings.HasSuffix(path, "/events"):
			w.WriteHeader(http.StatusOK)
			if listed.Load() == 0 {
				fmt.Fprintln(w, `{"Type":"container","Action":"start","Actor":{"ID":"x"}}`)
			}
			w.(http.Flusher).Flush()
			<-request.Context().Done()
		case strings.HasSuffix(path, "/volumes"):
			fmt.Fprintln(w, `{}`)
		case strings.HasSuffix(path, "/containers/json") && listed.Add(1) == 1:
			fmt.Fprintln(w, `[]`)
		case strings.HasSuffix(path, "/containers/json"):
			fmt.Fprintln(w, `[{"Id":"x","State":"running","Names":["/x"]}]`)
		case looked.Add(1) == 1:
			http.Error(w, `{"message":"out of files"}`, http.StatusInternalServerError)
		default:
			inspected(w, container.State{Status: "running", Running: true})
		}
	})
	node := run(t, r)
	eventually(t, func() bool {
		pods, err := node.Pods(t.Context(), "u")
		return err == nil && len(pods) == 1
	})
	require.EqualValues(t, 2, listed.Load())
}

// What somebody does to containers behind minik's back is seen: one that was removed is gone, a sandbox that was killed is
// not ready, and the containers of one that was removed are listed with a sandbox that is not there.
func TestBehindItsBack(t *testing.T) {
	image := dockertest.Tool(t)
	cluster := newCluster(t)
	node := run(t, cluster.node("node-1", 1))
	cli := cluster.engine.client
	force := container.RemoveOptions{Force: true}

	pod := podNamed("web", image, "say", "here", "wait")
	require.NoError(t, node.StartSandbox(t.Context(), pod, 0))
	id := node.start(pod, 0)
	require.NoError(t, cli.ContainerRemove(t.Context(), engineID(id), force))
	eventually(t, func() bool { return len(node.pod(pod.UID).Containers) == 0 })
	id = node.start(pod, 0)

	first := node.pod(pod.UID).Sandbox
	require.NoError(t, cli.ContainerKill(t.Context(), engineID(first.ID), "SIGKILL"))
	eventually(t, func() bool { return !node.pod(pod.UID).Sandbox.Ready })
	require.Empty(t, node.pod(pod.UID).Sandbox.IPs)
	require.NoError(t, cli.ContainerRemove(t.Context(), engineID(first.ID), force))
	eventually(t, func() bool { return node.pod(pod.UID).Sandbox.ID != first.ID })
	lost := node.pod(pod.UID)
	require.False(t, lost.Sandbox.Ready)
	require.NotEmpty(t, lost.Sandbox.ID)
	require.Len(t, lost.Containers, 1)

	require.NoError(t, node.Stop(t.Context(), lost.Sandbox.ID, 0))
	node.ended(pod, id)
	require.NoError(t, node.Remove(t.Context(), lost.Sandbox.ID))
	require.Nil(t, node.pod(pod.UID))
	require.NoError(t, node.StartSandbox(t.Context(), pod, 1), "and the pod can be made anew")
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, patience, 5*time.Millisecond)
}

// The engine may note that a process began after it had ended.
func TestNothingEndsBeforeItBegins(t *testing.T) {
	var c runtime.Container
	state(&c, &container.State{Status: "exited", ExitCode: 3, StartedAt: "2026-01-01T12:00:00.002Z", FinishedAt: "2026-01-01T12:00:00.001Z"})
	require.Equal(t, runtime.Exited, c.State)
	require.Equal(t, time.Date(2026, 1, 1, 12, 0, 0, 1e6, time.UTC), c.FinishedAt)
	require.Equal(t, c.FinishedAt, c.StartedAt)
}
