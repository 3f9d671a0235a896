package apiserver

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"minik.dev/apiserver/etcd"
)

// A Service may name external addresses, and whoever writes it hears which of them nobody listens on.
func TestExternalIPsWarn(t *testing.T) {
	ts := startWith(t, etcd.Options{Dir: t.TempDir(), Volatile: true}, func(o *Options) {
		o.ExternalIPs = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	})
	ts.namespace(t, "a")
	const deprecated = `299 - "spec.externalIPs is deprecated and may no longer be implemented in some clusters"`
	const refused = `299 - "spec.externalIPs: nobody listens on 127.0.0.1, 192.168.1.5, as this cluster is not allowed to ` +
		`(--external-ips of minik up)"`
	for _, c := range []struct {
		name, spec string
		want       []string
	}{
		{"allowed", `{"externalIPs":["203.0.113.7"],"ports":[{"port":80}]}`, []string{deprecated}},
		{"refused", `{"externalIPs":["127.0.0.1","203.0.113.7","192.168.1.5"],"ports":[{"port":80}]}`, []string{refused, deprecated}},
		{"headless", `{"clusterIP":"None","externalIPs":["127.0.0.1"],"ports":[{"port":80}]}`,
			[]string{`299 - "spec.externalIPs is ignored for headless services"`}},
		{"without", `{"ports":[{"port":80}]}`, nil},
	} {
		const path = "/api/v1/namespaces/a/services"
		body := `{"apiVersion":"v1","kind":"Service","metadata":{"name":"` + c.name + `"},"spec":` + c.spec + `}`
		response, answer := ts.call(t, "POST", path, body)
		require.Equal(t, 201, response.StatusCode, "%s: %s", c.name, answer)
		require.Equal(t, c.want, response.Header.Values("Warning"), c.name)
		response, answer = ts.call(t, "PUT", path+"/"+c.name, body)
		require.Equal(t, 200, response.StatusCode, "%s: %s", c.name, answer)
		require.Equal(t, c.want, response.Header.Values("Warning"), "update of %s", c.name)
	}
}
