package apiserver

import (
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What a request costs grows with its length and not with the square of it. Eight times as many items cost about eight times as
// much processor time of the thread that serves them, and 64 times as much where each is compared with each.
func TestCostGrowsWithTheRequest(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ts := start(t)
	ts.namespace(t, "shop")
	const namespace = "/api/v1/namespaces/shop/"
	const spec = `{"metadata":{"name":"n"},"spec":{`
	for _, c := range []struct {
		name, path string
		items      int
		body       func(n int) string
	}{
		{"owners", "configmaps", 1000, func(n int) string {
			return `{"metadata":{"name":"n","ownerReferences":[` + numbered(n, ",", `{"apiVersion":"v1","kind":"ConfigMap","name":"x","uid":"%d"}`) + `]}}`
		}},
		{"ports of the node", "pods", 2000, func(n int) string {
			return spec + `"containers":[{"name":"c","image":"c","ports":[` + numbered(n, ",", `{"containerPort":80,"hostPort":%d}`) + `]}]}}`
		}},
		{"scopes of a quota", "resourcequotas", 500, func(n int) string {
			return spec + `"scopes":[` + numbered(n, ",", `"Terminating"`) + `],"hard":{` + numbered(n, ",", `"count/x%d.example.com":"1"`) + `}}}`
		}},
		{"controllers", "configmaps", 500, func(n int) string {
			return `{"metadata":{"name":"n","ownerReferences":[` +
				numbered(n, ",", `{"apiVersion":"v1","kind":"ConfigMap","name":"x","controller":true,"uid":"%d"}`) + `]}}`
		}},
	} {
		cost := func(n int) time.Duration {
			body := c.body(n)
			least := time.Hour
			for range 3 { // the least of them is that in which the garbage collector asked for the least help
				req := httptest.NewRequestWithContext(t.Context(), "POST", namespace+c.path+"?dryRun=All", strings.NewReader(body))
				req.TLS = adminTLS()
				began := threadTime(t)
				out := httptest.NewRecorder()
				ts.handler.ServeHTTP(out, req)
				least = min(least, threadTime(t)-began)
				require.Less(t, out.Code, 500)
			}
			return least
		}
		few, many := cost(c.items), cost(8*c.items)
		t.Logf("%s: %s for %d, %s for %d", c.name, few, c.items, many, 8*c.items)
		require.Less(t, float64(many)/float64(few), 20.0, "%s: %s and %s", c.name, few, many)
	}
}

// threadTime is the processor time that this thread has used.
func threadTime(t *testing.T) time.Duration {
	var used unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used))
	return time.Duration(used.Nano())
}
