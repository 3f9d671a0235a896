package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// patience is how long one name server may take to answer.
const patience = 2 * time.Second

// mostForwarded bounds how many questions wait for other name servers at the same time.
const mostForwarded = 256

// forwarder passes questions on.
type forwarder struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	// servers are the "ip:port" to ask, in order; own are those that lead to this server and are left out, as to ask one
	// would lead in a circle.
	servers func() []string
	own     []string
	places  chan struct{}
}

func newForwarder(o Options) *forwarder {
	return &forwarder{dial: o.Dial, servers: o.Upstreams, own: ownAddresses(o), places: make(chan struct{}, mostForwarded)}
}

// systemServers are the name servers of this machine.
func systemServers() []string {
	config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	var out []string
	for _, server := range config.Servers {
		out = append(out, net.JoinHostPort(server, config.Port))
	}
	return out
}

// ask passes the question on to one server after the other until one answers.
func (f *forwarder) ask(ctx context.Context, question *dns.Msg) (*dns.Msg, error) {
	select {
	case f.places <- struct{}{}:
		defer func() { <-f.places }()
	default:
		return nil, fmt.Errorf("%d questions wait for other name servers already", mostForwarded)
	}
	errs := []error{errors.New("no other name server answers")}
	for _, server := range f.servers() {
		if slices.Contains(f.own, server) {
			continue
		}
		answer, err := f.askOne(ctx, server, question)
		if err == nil {
			return answer, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		errs = append(errs, fmt.Errorf("%s: %w", server, err))
	}
	return nil, errors.Join(errs...)
}

// askOne asks over UDP, and over TCP where the answer is too long for that.
func (f *forwarder) askOne(ctx context.Context, server string, question *dns.Msg) (*dns.Msg, error) {
	ask := question.Copy()
	ask.Id = dns.Id()
	var answer *dns.Msg
	for _, network := range []string{"udp", "tcp"} {
		var err error
		if answer, err = f.exchange(ctx, network, server, ask); err != nil {
			return nil, err
		}
		if !answer.Truncated {
			break
		}
	}
	answer.Id = question.Id
	return answer, nil
}

// exchange asks once.
func (f *forwarder) exchange(ctx context.Context, network, server string, question *dns.Msg) (*dns.Msg, error) {
	dialing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := f.dial(dialing, network, server)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	answer, _, err := (&dns.Client{Timeout: patience}).ExchangeWithConnContext(ctx, question, &dns.Conn{Conn: conn})
	return answer, err
}
