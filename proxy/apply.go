package proxy

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// plan is what the open listeners lack to follow the table.
func (p *Proxy) plan(table Table, now time.Time) steps {
	current := make(map[Listen]Rule, len(p.open))
	for listen, o := range p.open {
		current[listen] = o.rule
	}
	return plan(current, p.failed, table, now)
}

// apply makes the open listeners follow the table, and says what that took.
func (p *Proxy) apply(ctx context.Context, table Table, now time.Time) steps {
	s := p.plan(table, now)
	for _, listen := range s.Forget {
		delete(p.failed, listen)
	}
	for _, listen := range s.Close {
		o := p.open[listen]
		o.listener.close()
		delete(p.open, listen)
		p.logger.Info("Stopped listening", "service", o.rule.Service.String(), "address", listen.String())
	}
	for _, rule := range s.Change {
		o := p.open[rule.Listen]
		o.rule = rule
		o.listener.update(rule)
		p.logger.Debug("Backends changed", "service", rule.Service.String(), "address", rule.Listen.String(),
			"backends", len(rule.Backends), "reason", rule.Why)
	}
	for _, rule := range s.Open {
		p.openOne(ctx, rule, now)
	}
	p.sayRefusals(table.Refusals)
	return s
}

// openOne opens the listener of one rule, or notes that it could not.
func (p *Proxy) openOne(ctx context.Context, rule Rule, now time.Time) {
	listener, err := p.traffic.listen(ctx, rule)
	if err != nil {
		f := p.failed[rule.Listen]
		p.failed[rule.Listen] = f.next(now)
		if f.attempts > 0 {
			return // said at the first attempt
		}
		p.logger.Warn("Cannot listen; trying again", "service", rule.Service.String(), "address", rule.Listen.String(),
			"error", err)
		p.event(rule.Service, rule.UID, "FailedToStartListener", "cannot listen on %s: %v", rule.Listen, err)
		return
	}
	delete(p.failed, rule.Listen)
	p.open[rule.Listen] = &opened{rule: rule, listener: listener}
	p.logger.Info("Listening", "service", rule.Service.String(), "address", rule.Listen.String(),
		"backends", len(rule.Backends), "reason", rule.Why)
}

// sayRefusals tells of each refusal once, and again only after it had gone.
func (p *Proxy) sayRefusals(refusals []Refusal) {
	said := p.refusals
	p.refusals = make(map[Refusal]bool, len(refusals))
	for _, r := range refusals {
		if !said[r] {
			p.logger.Warn("Service refused in part", "service", r.Service.String(), "reason", r.Why)
			p.event(r.Service, r.UID, "ServiceNotProxied", "%s", r.Why)
		}
		p.refusals[r] = true
	}
}

// event tells of the Service.
func (p *Proxy) event(service types.NamespacedName, uid types.UID, reason, format string, args ...any) {
	p.events.Warning(&corev1.ObjectReference{
		APIVersion: "v1", Kind: "Service", Namespace: service.Namespace, Name: service.Name, UID: uid,
	}, reason, format, args...)
}

// closeAll closes every listener, as the loop ends.
func (p *Proxy) closeAll() {
	for listen, o := range p.open {
		o.listener.close()
		delete(p.open, listen)
	}
}
