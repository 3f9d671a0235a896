package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
)

// leastAPI is the oldest version of the engine's API that this package speaks: that of Docker 20.10.
const leastAPI = "1.41"

// Engine is a connection to a Docker engine. It is safe for concurrent use.
type Engine struct {
	client  *client.Client
	host    string
	version string // the engine's own
	arch    string // in Go's words
	memory  int64  // of the engine's machine, in bytes
	// security is how the engine can confine containers, in its own words: "name=seccomp,profile=default".
	security []string

	importing sync.Mutex // held while the image of sandboxes is made
}

// Connect finds the engine as the docker command does (see findHost), and returns when it has answered. Its errors say
// what was tried and what to do.
func Connect(ctx context.Context) (*Engine, error) {
	where, err := findHost(osEnvironment())
	if err != nil {
		return nil, err
	}
	options, err := where.clientOptions()
	if err != nil {
		return nil, err
	}
	cli, err := client.NewClientWithOpts(append(options, client.WithAPIVersionNegotiation())...)
	if err != nil {
		return nil, fmt.Errorf("making a client for the engine at %s: %w", where.host, err)
	}
	e := &Engine{client: cli, host: cli.DaemonHost()}
	if err := e.greet(ctx); err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	return e, nil
}

// greet asks the engine who it is, and refuses one that cannot run what minik needs.
func (e *Engine) greet(ctx context.Context) error {
	v, err := e.client.ServerVersion(ctx)
	if err != nil {
		return e.unreachable(err)
	}
	if err := e.accept(v.Version, v.APIVersion, v.Os, v.Arch); err != nil {
		return err
	}
	info, err := e.client.Info(ctx)
	if err != nil {
		return e.unreachable(err)
	}
	e.memory, e.security = info.MemTotal, info.SecurityOptions
	return nil
}

// accept notes what the engine is.
func (e *Engine) accept(version, api, system, arch string) error {
	if api != "" && versions.LessThan(api, leastAPI) {
		return fmt.Errorf("the engine at %s is too old: Docker %s speaks API %s, and minik needs %s (Docker 20.10) or newer",
			e.host, version, api, leastAPI)
	}
	if system != "linux" {
		return fmt.Errorf("the engine at %s runs %s containers, and pods need linux ones: switch it over, or use --runtime sim",
			e.host, system)
	}
	e.version, e.arch = version, arch
	return nil
}

// unreachable says why no engine answers.
func (e *Engine) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "permission denied"):
		return fmt.Errorf("no permission to use the engine at %s: run as root, or add yourself to its group (often "+
			"`sudo usermod -aG docker $USER`) and log in again", e.host)
	case client.IsErrConnectionFailed(err):
		return fmt.Errorf("no engine answers at %s: is Docker running?", e.host)
	}
	return fmt.Errorf("asking the engine at %s for its version: %w", e.host, err)
}

// Close ends the connection.
func (e *Engine) Close() error { return e.client.Close() }

// Describe says which engine this is and where: "docker 28.1.0 at unix:///var/run/docker.sock".
func (e *Engine) Describe() string { return fmt.Sprintf("docker %s at %s", e.version, e.host) }

// Warning is for whoever starts a cluster on an engine that does not confine containers; "" where it does.
func (e *Engine) Warning() string {
	switch profile, supported := e.option("seccomp"); {
	case !supported:
		return "without seccomp: containers may make every system call"
	case profile == "unconfined":
		return "whose own seccomp profile is unconfined: containers may make every system call"
	}
	return ""
}

// option looks for one of the engine's ways to confine containers. Its profile is the engine's own one, where it names it.
func (e *Engine) option(name string) (profile string, supported bool) {
	for _, o := range e.security {
		first, rest, _ := strings.Cut(o, ",")
		if first == "name="+name {
			return strings.TrimPrefix(rest, "profile="), true
		}
	}
	return "", false
}

// pingTimeout bounds how long an engine may take to say that it is there.
const pingTimeout = 5 * time.Second

// ping is nil where the engine answers.
func (e *Engine) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if _, err := e.client.Ping(ctx); err != nil {
		return e.unreachable(err)
	}
	return nil
}
