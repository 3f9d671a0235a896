package minik_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "minik.dev/"

// A wall keeps some packages from importing others, because of reason. Patterns are import paths, minik's own without the
// module; "x/..." is x and everything below it.
type wall struct {
	packages []string // whose imports are looked at
	except   []string // packages among them that may
	never    []string // what they must not import
	allowed  []string // what they may import of that all the same
	reason   string
}

var components = []string{"scheduler/...", "controllers/...", "kubelet/...", "proxy/...", "dns/..."}

var walls = []wall{
	{
		packages: []string{"scheduler/..."},
		never:    []string{"controllers/...", "kubelet/...", "proxy/...", "dns/..."},
		reason:   "components meet only at the API",
	},
	{
		packages: []string{"controllers/..."},
		never:    []string{"scheduler/...", "kubelet/...", "proxy/...", "dns/..."},
		reason:   "components meet only at the API",
	},
	{
		packages: []string{"controllers/..."},
		except:   []string{"controllers", "controllers/replication"},
		never:    []string{"controllers/..."},
		allowed: []string{"controllers/loop", "controllers/podstate", "controllers/nodestate", "controllers/backends",
			"controllers/deletable"},
		reason: "controllers meet only at the API: what several of them need is in a package that says so, and is no controller's",
	},
	{
		packages: []string{"controllers/replication"},
		never:    []string{"controllers/..."},
		allowed:  []string{"controllers/loop", "controllers/replicaset"},
		reason:   "a ReplicationController is reconciled as the ReplicaSet that it amounts to, and knows no other controller",
	},
	{
		packages: []string{"kubelet/..."},
		never:    []string{"scheduler/...", "controllers/...", "proxy/...", "dns/..."},
		reason:   "components meet only at the API",
	},
	{
		packages: []string{"proxy/..."},
		never:    []string{"scheduler/...", "controllers/...", "kubelet/...", "dns/..."},
		reason:   "components meet only at the API",
	},
	{
		packages: []string{"dns/..."},
		never:    []string{"scheduler/...", "controllers/...", "kubelet/...", "proxy/..."},
		reason:   "components meet only at the API",
	},
	{
		packages: components,
		never:    []string{"apiserver/...", "cluster/...", "cmd/..."},
		reason:   "a component knows one thing, a *rest.Config: so it runs in one process or in many",
	},
	{
		packages: []string{"apiserver/..."},
		never:    append([]string{"cluster/...", "cmd/..."}, components...),
		reason:   "the API server serves whoever asks; it knows none of those who do",
	},
	{
		packages: []string{"apiserver/resources/..."},
		except:   []string{"apiserver/resources/builtin"},
		never:    []string{"apiserver/resources/..."},
		allowed: []string{"apiserver/resources", "apiserver/resources/defaults", "apiserver/resources/podspec",
			"apiserver/resources/printers", "apiserver/resources/validation", "apiserver/resources/volumes"},
		reason: "API groups do not import each other: what several of them ask for is in a package that says so, and is no group's",
	},
	{
		packages: []string{"..."},
		except:   []string{"apiserver/..."},
		never:    []string{"go.etcd.io/..."},
		reason:   "the API server is the only one that talks to etcd",
	},
	{
		packages: []string{"..."},
		except:   []string{"kubelet/docker/..."},
		never:    []string{"github.com/docker/...", "github.com/moby/moby/..."},
		reason:   "containers have one runtime among others: kubelet/docker is the one package that imports Docker",
	},
	{
		packages: []string{"kubelet", "kubelet/backoff", "kubelet/env", "kubelet/images", "kubelet/ipam", "kubelet/network", "kubelet/poddir",
			"kubelet/probes", "kubelet/resize", "kubelet/runtime", "kubelet/seccomp", "kubelet/server", "kubelet/subpath", "kubelet/volumes"},
		never:  []string{"kubelet/docker/...", "kubelet/sim/...", "kubelet/fleet/..."},
		reason: "a kubelet is given its runtime, and knows it by kubelet/runtime alone",
	},
	{
		packages: []string{"kubelet/..."},
		except:   []string{"kubelet", "kubelet/fleet"},
		never:    []string{"kubelet"},
		reason:   "the kubelet puts its rooms together, and runtimes are given to it: only the fleet asks for what it decides about a pod",
	},
	{
		packages: []string{"..."},
		except:   []string{"cluster/...", "cmd/..."},
		never:    []string{"cluster/..."},
		reason:   "only cluster composes, and what is composed does not know it",
	},
	{
		packages: []string{"api/...", "control/...", "events/...", "journal/...", "private/..."},
		never:    append([]string{"apiserver/...", "cluster/...", "cmd/..."}, components...),
		reason:   "every component imports these, so they can import none of them",
	},
	{
		packages: []string{"terminal/..."},
		never:    append([]string{"api/...", "apiserver/...", "cluster/...", "cmd/...", "control/...", "history/...", "journal/...", "why/..."}, components...),
		reason:   "it knows widths and words, and nothing of what they say",
	},
	{
		packages: []string{"events/..."},
		never:    []string{"api/...", "control/...", "history/...", "journal/...", "private/...", "why/..."},
		reason:   "whoever has something to tell can import it: it knows client-go alone, and causes and reasons come in the context",
	},
	{
		packages: []string{"history/..."},
		never:    append([]string{"apiserver/...", "cluster/...", "why/...", "cmd/..."}, components...),
		reason:   "the past is read by the API: so it can be that of any cluster, wherever it runs",
	},
	{
		packages: []string{"..."},
		except:   []string{"why/...", "cluster/...", "cmd/..."},
		never:    []string{"why/..."},
		reason:   "why asks those who decide: what it imports does not know it",
	},
	{
		packages: []string{"why/...", "rollout/..."},
		never:    []string{"apiserver/...", "cluster/...", "cmd/..."},
		reason:   "they ask about any cluster, by its API",
	},
	{
		packages: []string{"scheduler/framework"},
		never: []string{"scheduler", "scheduler/suggest", "journal/...", "control/...",
			"k8s.io/client-go/kubernetes/...", "k8s.io/client-go/informers/..."},
		reason: "decisions are pure: what brings them about and carries them out is above them",
	},
	{
		packages: []string{"scheduler/suggest"},
		never:    []string{"scheduler"},
		reason:   "what would help a pod is asked of decisions, not of a scheduler that runs",
	},
	{
		packages: []string{"..."},
		never:    []string{"scheduler/schedulertest"},
		reason:   "it is for tests alone",
	},
	{
		packages: []string{"cmd/..."},
		never:    append([]string{"apiserver/..."}, components...),
		reason:   "the command line is a thin shell around cluster, history, rollout and why, which know the parts",
	},
	{
		packages: []string{"..."},
		except:   []string{"controllers/controllertest"},
		never:    []string{"scenario", "cluster/network/networktest", "history/otlptest"},
		reason:   "what tests are made of is for tests alone",
	},
	{
		packages: []string{"..."},
		except:   []string{"cmd/..."},
		never:    []string{"k8s.io/kubectl/...", "github.com/spf13/cobra"},
		reason:   "kubectl's commands belong to the command line",
	},
	{
		packages: []string{"..."},
		never:    []string{"k8s.io/kubernetes/...", "k8s.io/apiserver/..."},
		reason:   "minik is held to upstream's servers (fidelity/ and conformance/, modules of their own), and is not made of them",
	},
}

// TestWalls checks the imports of every package, for every system that minik is built for, and without its tests: a test
// may set up whatever it needs.
func TestWalls(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows"} {
		packages := list(t, system)
		require.NotEmpty(t, packages)
		for _, wall := range walls {
			for _, broken := range wall.broken(packages) {
				t.Errorf("%s: %s, but %s", system, broken, wall.reason)
			}
		}
	}
}

// TestWallsHold shows that a wall can be broken: a check that always passes is none.
func TestWallsHold(t *testing.T) {
	packages := []goPackage{{
		ImportPath: module + "scheduler",
		Imports:    []string{"fmt", module + "kubelet/sim", "k8s.io/api/core/v1"},
	}}
	require.Equal(t, []string{"scheduler imports kubelet/sim"}, walls[0].broken(packages))
	packages[0].Imports = []string{"fmt", module + "journal"}
	require.Empty(t, walls[0].broken(packages))

	groups := wall{packages: []string{"groups/..."}, never: []string{"groups/..."}, allowed: []string{"groups/shared"}}
	packages = []goPackage{{ImportPath: module + "groups/apps", Imports: []string{module + "groups/core", module + "groups/shared"}}}
	require.Equal(t, []string{"groups/apps imports groups/core"}, groups.broken(packages))
}

// broken names the imports that go through the wall.
func (w wall) broken(packages []goPackage) []string {
	var broken []string
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module)
		if !matchesAny(w.packages, name) || matchesAny(w.except, name) {
			continue
		}
		for _, imported := range p.Imports {
			if imported = strings.TrimPrefix(imported, module); matchesAny(w.never, imported) && !matchesAny(w.allowed, imported) {
				broken = append(broken, fmt.Sprintf("%s imports %s", name, imported))
			}
		}
	}
	return broken
}

func matchesAny(patterns []string, path string) bool {
	for _, pattern := range patterns {
		below, tree := strings.CutSuffix(pattern, "...")
		if path == pattern || tree && (path == strings.TrimSuffix(below, "/") || strings.HasPrefix(path, below)) {
			return true
		}
	}
	return false
}

// goPackage is what `go list -json` says of a package, as far as it is needed here.
type goPackage struct {
	ImportPath string
	Imports    []string
}

// list is every package of the module as it is built for a system.
func list(t *testing.T, system string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Env = append(cmd.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	out, err := cmd.Output()
	require.NoError(t, err, "listing the packages")
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err, "reading what go list says")
		packages = append(packages, p)
	}
}

// Who may come in is decided in one place. So these files alone open sockets that others connect to, each with its reason.
var listen = map[string]string{
	"cluster/network/listen.go":              "the place: all parts of a cluster listen by it",
	"cluster/network/address.go":             "looks for a free port, and takes no connection",
	"apiserver/etcd/socket.go":               "a unix socket in the data directory, for its own user",
	"proxy/proxy.go":                         "what tests of the proxy alone listen with",
	"proxy/udp.go":                           "what tests of the proxy alone listen with",
	"dns/server.go":                          "what tests of the name server alone listen with",
	"kubelet/sim/runtime.go":                 "what tests of the runtime alone listen with",
	"examples/shop/image/main.go":            "runs inside a container",
	"kubelet/docker/dockertest/tool/main.go": "runs inside a container of a test",
}

// TestListeners keeps listeners that nobody guards out of minik.
func TestListeners(t *testing.T) {
	callers(t, listen, regexp.MustCompile(`(net|tls)\.Listen\w*|ListenAndServe`), regexp.MustCompile(`net\.Listener\b`),
		"network.Network listens for all parts of a cluster, as it knows who may come in")
}

// Where an address of the cluster is on this machine, and how it is reached, is decided in one place. So these files alone
// connect to others, each with its reason. What clients of the API connect to is for their rest.Config to say.
var dial = map[string]string{
	"cluster/network/dial.go":                "the place: all parts of a cluster dial by it",
	"kubelet/docker/dial.go":                 "into a pod, as one of its own containers would",
	"kubelet/docker/dial_linux.go":           "within the network namespace of a pod",
	"apiserver/etcd/etcd.go":                 "etcd is beside the cluster, and has none of its addresses",
	"cmd/minik/kubectl.go":                   "asks from outside whether a cluster runs",
	"cmd/minik/serviceurl/check.go":          "asks from outside, as the user would, what a Service answers",
	"examples/shop/image/client.go":          "runs inside a container",
	"kubelet/docker/dockertest/tool/main.go": "runs inside a container of a test",
}

// TestDialers keeps connections out of minik that go another way than the cluster's network.
func TestDialers(t *testing.T) {
	callers(t, dial, regexp.MustCompile(`(net|tls)\.Dial\w*|http\.(Get|Head|Post\w*|Default(Client|Transport))\b|`+
		`http\.(Client|Transport)\{|DialContext\b|dns\.(Client|Dial\w*|Exchange\w*)\b|grpc\.(NewClient|Dial\w*)|`+
		`websocket\.(Default)?Dial\w*|clientv3\.New`),
		regexp.MustCompile(`http\.Client\{\s*Transport:|http\.Transport\{\s*DialContext:\s*\w+\.Dial,|`+
			`\(&dns\.Client\{.*\}\)\.ExchangeWithConn|grpc\.NewClient\(.*, grpc\.WithContextDialer\(`),
		"network.Network dials for all parts of a cluster, which get its Dial in their options, and name it where they hand it on")
}

// callers checks that only these files have such calls, but for those that are fine anywhere.
func callers(t *testing.T, only map[string]string, calls, fine *regexp.Regexp, reason string) {
	comment, seen := regexp.MustCompile(`(?m)(^|[ \t])//.*`), map[string]bool{}
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		code := fine.ReplaceAllStringFunc(comment.ReplaceAllString(string(source), ""), func(s string) string {
			return strings.Repeat("\n", strings.Count(s, "\n"))
		})
		for _, at := range calls.FindAllStringIndex(code, -1) {
			seen[filepath.ToSlash(path)] = true
			if only[filepath.ToSlash(path)] == "" {
				t.Errorf("%s:%d has %s: %s", path, 1+strings.Count(code[:at[0]], "\n"), code[at[0]:at[1]], reason)
			}
		}
		return nil
	}))
	for path := range only {
		require.True(t, seen[path], "%s has no such call any more: take it off the list", path)
	}
}

// mostFiles is how many files of code a folder has at most: what one can look through for the name that one has in mind.
const mostFiles = 25

// fullFolders may have more, each with its reason and how many it has at most.
var fullFolders = map[string]struct {
	most   int
	reason string
}{
	"apiserver":           {46, "a file a verb; what is left to move out is how answers are encoded, and what bounds clients"},
	"cmd/minik":           {26, "a file a command"},
	"scheduler/framework": {28, "a file a plugin"},
}

// TestFolders keeps folders from filling up.
func TestFolders(t *testing.T) {
	files := map[string]int{}
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			files[filepath.ToSlash(filepath.Dir(path))]++
		}
		return err
	}))
	for folder, n := range files {
		full, may := fullFolders[folder]
		switch {
		case may && n > full.most:
			t.Errorf("%s has %d files of code, and may have %d: %s", folder, n, full.most, full.reason)
		case may && n <= mostFiles:
			t.Errorf("%s has %d files of code: take it off the list", folder, n)
		case !may && n > mostFiles:
			t.Errorf("%s has %d files of code; %d are as many as one can look through: make a room of what belongs together", folder, n,
				mostFiles)
		}
	}
}
