package dns

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
)

// serve answers over UDP and TCP at the address until ctx is done.
func (s *Server) serve(ctx context.Context, address string) error {
	packets, err := s.options.ListenUDP(address)
	if err != nil {
		return fmt.Errorf("listening for DNS over UDP: %w", err)
	}
	stream, err := s.options.ListenTCP(address)
	if err != nil {
		return errors.Join(fmt.Errorf("listening for DNS over TCP: %w", err), packets.Close())
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, question *dns.Msg) { s.handle(ctx, w, question) })
	group, ctx := errgroup.WithContext(ctx)
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: stream, Handler: handler}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		group.Go(server.ActivateAndServe)
		group.Go(func() error {
			<-ctx.Done()
			<-started // a server that has not begun cannot be ended
			return server.ShutdownContext(context.WithoutCancel(ctx))
		})
	}
	return group.Wait()
}

// handle answers one message.
func (s *Server) handle(ctx context.Context, w dns.ResponseWriter, question *dns.Msg) {
	answer := s.reply(ctx, question)
	size := dns.MaxMsgSize
	if w.RemoteAddr().Network() == "udp" {
		size = dns.MinMsgSize
		if extended := question.IsEdns0(); extended != nil {
			size = max(size, int(extended.UDPSize()))
		}
	}
	answer.Truncate(size)
	if err := w.WriteMsg(answer); err != nil {
		s.logger.Debug("an answer was not sent", "to", w.RemoteAddr(), "error", err)
	}
}

// reply is the answer to a message.
func (s *Server) reply(ctx context.Context, question *dns.Msg) *dns.Msg {
	answer := new(dns.Msg)
	answer.SetReply(question)
	if question.Opcode != dns.OpcodeQuery {
		answer.Rcode = dns.RcodeNotImplemented
		return answer
	}
	if len(question.Question) != 1 {
		answer.Rcode = dns.RcodeFormatError
		return answer
	}
	if extended := question.IsEdns0(); extended != nil {
		answer.SetEdns0(extended.UDPSize(), false)
	}
	z := s.zone.Load()
	v := z.answer(question.Question[0])
	if !v.mine {
		return s.forward(ctx, question, answer)
	}
	answer.Authoritative, answer.RecursionAvailable = true, true
	answer.Rcode, answer.Answer = v.code, v.records
	answer.Extra = append(answer.Extra, v.extra...)
	if v.alias != "" {
		s.follow(ctx, question, v.alias, answer)
		return answer
	}
	if len(v.records) == 0 {
		answer.Ns = []dns.RR{z.authority()}
	}
	return answer
}

// forward answers with what another name server says.
func (s *Server) forward(ctx context.Context, question, failed *dns.Msg) *dns.Msg {
	answer, err := s.forwarder.ask(ctx, question)
	if err != nil {
		s.logger.Debug("a question is not answered", "question", question.Question[0].Name, "error", err)
		failed.Rcode, failed.RecursionAvailable = dns.RcodeServerFailure, true
		return failed
	}
	return answer
}

// follow adds what another name server says of the name that an ExternalName leads to. Where none answers, the name alone
// is the answer.
func (s *Server) follow(ctx context.Context, question *dns.Msg, alias string, answer *dns.Msg) {
	ask := new(dns.Msg)
	ask.SetQuestion(alias, question.Question[0].Qtype)
	more, err := s.forwarder.ask(ctx, ask)
	if err != nil {
		s.logger.Debug("an alias is not followed", "alias", alias, "error", err)
		return
	}
	answer.Answer = append(answer.Answer, more.Answer...)
}
