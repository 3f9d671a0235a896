// Command image is the program in the image minik.dev/shop:1: a small shop of four parts, of which each container runs
// one. The parts are HTTP servers and find each other by the names of their Services.
//
//		customer ──▶ frontend ──▶ product            what is for sale
//		                └───────▶ order ──▶ product  how much is it
//		                            └─────▶ payment  take the money
//
//	 1. main.go reads which part this is from the first argument, and everything else from the environment, which the
//	    manifests fill from a ConfigMap and a Secret. Where something is missing it ends and says what.
//	 2. Every part answers /ready, for the readiness probe. After SIGTERM it says no there, serves on for a moment, so that
//	    nobody is still being sent here, finishes what it has begun, and ends.
//	 3. product.go, payment.go, order.go and frontend.go are the parts. client.go is how one part asks another: a request
//	    has a number that travels with it, so that one purchase can be followed through the logs of all parts.
//
// A real shop would keep its orders in a database; these containers remember nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	linger    = time.Second      // served after SIGTERM, while the word spreads
	lastWords = 10 * time.Second // that requests may take to their end then
)

func main() {
	host, err := os.Hostname()
	if err == nil {
		err = start(os.Args[1:], os.Getenv, host)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

// start is main with everything that it takes from its surroundings.
func start(args []string, env func(string) string, host string) error {
	name := ""
	if len(args) == 1 {
		name = args[0]
	}
	log := slog.New(slog.NewTextHandler(os.Stdout, nil)).With("part", name)
	handler, err := newPart(name, host, env, log)
	if err != nil {
		return err
	}
	port := env("PORT")
	if port == "" {
		port = "8080"
	}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return fmt.Errorf("opening the port: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	log.Info("open", "address", listener.Addr().String(), "host", host)
	return serve(ctx, listener, handler, linger, log)
}

// newPart is the handler of the part with that name. An error says what of its configuration is missing.
func newPart(name, host string, env func(string) string, log *slog.Logger) (http.Handler, error) {
	c := config{env: env}
	s := shop{name: c.need("SHOP_NAME"), currency: c.need("CURRENCY"), host: host, log: log}
	var handler http.Handler
	switch name {
	case "product":
		handler = product{s}.handler()
	case "payment":
		handler = payment{shop: s, key: c.need("PAYMENT_API_KEY")}.handler()
	case "order":
		handler = order{
			shop: s, product: c.client("product", "PRODUCT_URL", patience), payment: c.client("payment", "PAYMENT_URL", patience),
		}.handler()
	case "frontend":
		handler = frontend{
			shop: s, product: c.client("product", "PRODUCT_URL", patience), order: c.client("order", "ORDER_URL", longPatience),
		}.handler()
	default:
		return nil, fmt.Errorf("%q is no part of the shop: run it with frontend, order, payment or product", name)
	}
	return numbered(handler), errors.Join(c.errs...)
}

// shop is what all parts have in common.
type shop struct {
	name, currency string
	host           string // the pod's name
	log            *slog.Logger
}

// config reads the environment, and remembers what is missing.
type config struct {
	env  func(string) string
	errs []error
}

func (c *config) need(name string) string {
	value := c.env(name)
	if value == "" {
		c.errs = append(c.errs, fmt.Errorf("the environment has no %s", name))
	}
	return value
}

func (c *config) client(part, name string, patience time.Duration) client {
	return newClient(part, c.need(name), patience)
}

// serve answers until ctx is done, and then ends as step 2 of the package's comment says.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, linger time.Duration, log *slog.Logger) error {
	var closing atomic.Bool
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if closing.Load() {
			http.Error(w, "closing", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ready")
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: lastWords}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	log.Info("closing: what is under way is finished")
	closing.Store(true)
	lingered, cancel := context.WithTimeout(context.WithoutCancel(ctx), linger)
	defer cancel()
	<-lingered.Done()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	err := server.Shutdown(ending)
	if err != nil {
		return fmt.Errorf("finishing what was under way: %w", err)
	}
	log.Info("closed")
	return nil
}
