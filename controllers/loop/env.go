package loop

import (
	"log/slog"
	"net/netip"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"minik.dev/events"
)

// Env is what a controller is made from.
type Env struct {
	// Config speaks as this controller and carries causes and reasons; client is made from it.
	Config *rest.Config
	Client kubernetes.Interface
	// Informers are shared by all controllers. An informer that is asked for while the controllers are made is started.
	Informers informers.SharedInformerFactory
	Events    *events.Writer
	Clock     clock.WithTicker
	Logger    *slog.Logger
	Options   Options
}

// Options are what the surroundings give to the controllers.
type Options struct {
	// Logger gets the story of what the controllers do; nil is slog.Default().
	Logger *slog.Logger
	// Clock drives time-outs and back-off; nil is the real one.
	Clock clock.WithTicker
	// ClusterCA is the certificate of the cluster's authority, PEM. It is published to every namespace as the ConfigMap
	// kube-root-ca.crt.
	ClusterCA []byte
	// LoadBalancerPool is the block of which Services of type LoadBalancer get their address. The zero Prefix gives none
	// out.
	LoadBalancerPool netip.Prefix
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o
}
