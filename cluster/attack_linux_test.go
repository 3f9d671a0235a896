package cluster

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// memoryGroup makes a cgroup with so many bytes of memory, for as long as the test runs.
func memoryGroup(t *testing.T, bytes int64) (dir string) {
	t.Helper()
	limit := "memory.limit_in_bytes"
	root := "/sys/fs/cgroup/memory" // version 1
	if _, err := os.Stat(root); err != nil {
		root, limit = "/sys/fs/cgroup", "memory.max"
	}
	dir = filepath.Join(root, fmt.Sprintf("minik-test-%d-%d", os.Getpid(), bytes))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no cgroup can be made: %v", err)
	}
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return os.Remove(dir) == nil }, patience, 10*time.Millisecond, "the group is empty")
	})
	if err := os.WriteFile(filepath.Join(dir, limit), []byte(strconv.FormatInt(bytes, 10)), 0o600); err != nil {
		t.Skipf("cgroups bound no memory here: %v", err)
	}
	return dir
}

// Hundreds of updates of a large object, of which each leaves an event behind, do not kill a cluster that has little memory: what
// it keeps is bounded by bytes, and is less where memory is short.
func TestLargeUpdatesInLittleMemory(t *testing.T) {
	const updates = 300
	if racing {
		t.Skip("the race detector takes many times the memory")
	}
	s := newSite(t)
	s.shell = fmt.Sprintf("echo $$ >%s/cgroup.procs", memoryGroup(t, 300<<20))
	p := s.run(t, "up")
	maps := s.client(t).CoreV1().ConfigMaps("default")
	large, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "large"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	for i := range updates {
		large.Data = map[string]string{"v": fmt.Sprint(i) + strings.Repeat("x", 900_000)}
		large, err = maps.Update(t.Context(), large, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
	select {
	case <-p.ended:
		t.Fatalf("the cluster was killed: %v", p.err)
	default:
	}
	p.end(t, os.Interrupt)
}

// Hundreds of connections that say nothing, to a cluster whose process may have few descriptors, end neither etcd nor anything
// else: whoever has something to say is served meanwhile, and everything is as before when they are gone.
func TestConnectionsTakeNoDescriptorFromEtcd(t *testing.T) {
	const limit, connections = 256, 600
	s := newSite(t)
	s.shell = fmt.Sprintf("ulimit -n %d", limit)
	p := s.run(t, "up")
	var idle []net.Conn
	for range connections {
		conn, err := net.Dial("tcp", s.address(t))
		if err != nil { // it was refused
			continue
		}
		idle = append(idle, conn)
	}
	for i := range 20 { // each by a connection of its own, as new as those of the others
		config := s.config(t)
		config.Dial = (&net.Dialer{}).DialContext // keeps client-go from sharing it
		client, err := kubernetes.NewForConfig(config)
		require.NoError(t, err)
		_, err = client.CoreV1().ConfigMaps("default").Create(t.Context(),
			&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("meanwhile-%d", i)}}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	for _, conn := range idle {
		conn.Close()
	}
	list, err := s.client(t).CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(list.Items), 20)
	select {
	case <-p.ended:
		t.Fatalf("the cluster ended: %v\n%s", p.err, p.said(t))
	default:
	}
	p.end(t, os.Interrupt)
}
