package etcd

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// attackVariable tells a process of this test binary's what to connect to.
const attackVariable = "MINIK_TEST_ATTACK"

func TestMain(m *testing.M) {
	if target := os.Getenv(attackVariable); target != "" {
		connection, err := net.Dial("unix", target)
		if err != nil {
			_, _ = os.Stdout.WriteString(err.Error())
			os.Exit(0)
		}
		_ = connection.Close()
		_, _ = os.Stdout.WriteString("connected")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Another user of the machine reaches no socket of an embedded etcd: neither the one that lies open to all eyes, nor an
// abstract one, which has no permissions; there is none.
func TestAnotherUserDoesNotReachEtcd(t *testing.T) {
	before := listening(t)
	withEtcd(t, filepath.Join(t.TempDir(), "etcd"), func(e *Server) {
		var opened []string
		for name := range listening(t) {
			if !before[name] {
				opened = append(opened, name)
			}
		}
		require.Equal(t, []string{strings.TrimPrefix(e.Endpoint, "unix://")}, opened, "every unix socket that listens")
		if os.Geteuid() != 0 {
			t.Skip("only root can start a program of another user's")
		}
		for _, name := range opened {
			require.Equal(t, "connected", dialAs(t, 0, name), "the attack works where it may")
			require.Contains(t, dialAs(t, 65534, name), "permission denied")
		}
	})
}

// dialAs says what a user is told who connects to the socket.
func dialAs(t *testing.T, uid uint32, path string) string {
	t.Helper()
	attack := exec.CommandContext(t.Context(), "/proc/self/exe") // by its path, the user could not reach the program
	attack.Env = []string{attackVariable + "=" + path}
	attack.Dir = "/"
	attack.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	said, err := attack.CombinedOutput()
	require.NoError(t, err, string(said))
	return string(said)
}

// listening are the unix sockets of this process that listen, abstract ones with an @.
func listening(t *testing.T) map[string]bool {
	t.Helper()
	mine := map[string]bool{}
	open, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range open {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			if inode, ok := strings.CutPrefix(target, "socket:["); ok {
				mine[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	table, err := os.Open("/proc/net/unix")
	require.NoError(t, err)
	defer func() { require.NoError(t, table.Close()) }()
	found := map[string]bool{}
	for lines := bufio.NewScanner(table); lines.Scan(); {
		const accepting = "00010000" // __SO_ACCEPTCON
		row := strings.Fields(lines.Text())
		if len(row) == 8 && row[3] == accepting && mine[row[6]] {
			found[row[7]] = true
		}
	}
	return found
}
