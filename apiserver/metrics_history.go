package apiserver

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What is kept of the past, for /metrics and `minik status`. The first is upstream's name; Kubernetes tells of no history.
var (
	storageBytes = prometheus.NewDesc("apiserver_storage_size_bytes", "Size of the storage database file physically allocated.",
		nil, nil)
	storageUsed = prometheus.NewDesc("minik_storage_in_use_bytes", "How much of the storage database holds something.", nil, nil)
	storageMost = prometheus.NewDesc("minik_history_max_bytes", "In-use size above which history is compacted; 0 is none.",
		nil, nil)
	historyOldest = prometheus.NewDesc("minik_history_oldest_revision", "Oldest revision that can be read.", nil, nil)
	historyNewest = prometheus.NewDesc("minik_history_newest_revision", "Newest revision.", nil, nil)
	historyAge    = prometheus.NewDesc("minik_history_age_seconds", "How long ago the oldest kept write was made.", nil, nil)
	historyMost   = prometheus.NewDesc("minik_history_max_age_seconds", "Age above which history is compacted; 0 is none.",
		nil, nil)
)

// usagePatience bounds the questions to etcd: without an answer the numbers are left out.
const usagePatience = 2 * time.Second

// keptHistory asks the store whenever somebody asks for the metrics.
type keptHistory struct{ *Server }

func (k keptHistory) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{storageBytes, storageUsed, storageMost, historyOldest, historyNewest, historyAge,
		historyMost} {
		out <- desc
	}
}

func (k keptHistory) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), usagePatience) //nolint:forbidigo // the interface carries no context
	defer cancel()
	usage, err := k.store.Usage(ctx)
	if err != nil {
		k.Logger.Warn("how much history is kept is not known", "component", "apiserver", "err", err)
		return
	}
	gauge := func(desc *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	gauge(storageBytes, float64(usage.Bytes))
	gauge(storageUsed, float64(usage.InUse))
	gauge(storageMost, float64(k.History.Bytes))
	gauge(historyOldest, float64(usage.Oldest))
	gauge(historyNewest, float64(usage.Newest))
	gauge(historyMost, k.History.Age.Seconds())
	if !usage.Since.IsZero() {
		gauge(historyAge, k.Clock.Since(usage.Since).Seconds())
	}
}
