package apiserver

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the server's own, in upstream's names. Each server has a registry of its own: several run in one process.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	watches  *prometheus.GaugeVec
	etcdTime *prometheus.HistogramVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apiserver_request_total",
			Help: "Counter of apiserver requests broken out for each verb, group, version, resource, subresource, scope and code.",
		}, []string{"verb", "group", "version", "resource", "subresource", "scope", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "apiserver_request_duration_seconds",
			Help:    "Response latency distribution in seconds for each verb, group, version, resource, subresource and scope.",
			Buckets: []float64{0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 60},
		}, []string{"verb", "group", "version", "resource", "subresource", "scope"}),
		watches: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "apiserver_longrunning_requests",
			Help: "Gauge of all active long-running apiserver requests broken out by verb, group, version and resource.",
		}, []string{"verb", "group", "version", "resource"}),
		etcdTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "etcd_request_duration_seconds",
			Help:    "Etcd request latency in seconds for each operation and object type.",
			Buckets: []float64{0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1, 5},
		}, []string{"operation", "type"}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.watches, m.etcdTime, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// request counts a request that has been answered.
func (m *metrics) request(r *request, code int, seconds float64) {
	if r.resource != "" && r.row == nil || r.subresource != "" && r.sub == nil {
		return // names that somebody made up would be labels for ever
	}
	group, version := r.group, r.version
	if r.row == nil { // a group without a resource may be made up as well
		group, version = "", ""
	}
	verb, scope := metricVerb(r), scopeOf(r)
	m.requests.WithLabelValues(verb, group, version, r.resource, r.subresource, scope, strconv.Itoa(code)).Inc()
	if r.verb != "watch" {
		m.seconds.WithLabelValues(verb, group, version, r.resource, r.subresource, scope).Observe(seconds)
	}
}

func (m *metrics) watching(r *request, n float64) {
	m.watches.WithLabelValues("WATCH", r.group, r.version, r.resource).Add(n)
}

func (m *metrics) etcd(operation, resource string, seconds float64) {
	m.etcdTime.WithLabelValues(operation, resource).Observe(seconds)
}

// metricVerb is the verb in upstream's metrics: the method, but for lists and watches.
func metricVerb(r *request) string {
	switch r.verb {
	case "list":
		return "LIST"
	case "watch":
		return "WATCH"
	case "deletecollection":
		return "DELETECOLLECTION"
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return r.Method
	}
	return "other" // nobody's own methods
}

func scopeOf(r *request) string {
	switch {
	case r.resource == "":
		return ""
	case r.name != "":
		return "resource"
	case r.namespace != "":
		return "namespace"
	}
	return "cluster"
}
