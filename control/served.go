package control

import (
	"context"
	"log/slog"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"minik.dev/api"
)

// Served asks the API server whether it serves Controls, as only minik's does, and says so once where it does not: then nobody can
// hold the component, and no watch would ever be answered. It is asked until it answers; ok is false where ctx ends before.
//
// Discovery is asked, which is open to everybody: who may not list what a server does not serve hears of the first alone.
func Served(ctx context.Context, client rest.Interface, clock clock.Clock, logger *slog.Logger) (served, ok bool) {
	for {
		err := client.Get().AbsPath("/apis", api.GroupVersion.Group, api.GroupVersion.Version).Do(ctx).Error()
		switch {
		case err == nil:
			return true, true
		case apierrors.IsNotFound(err):
			logger.Info("the API server does not serve Controls, so nobody can hold this component", "group", api.GroupVersion.String())
			return false, true
		}
		logger.Debug("whether the API server serves Controls is asked again", "error", err, "after", retryAfter)
		select {
		case <-ctx.Done():
			return false, false
		case <-clock.After(retryAfter):
		}
	}
}

// Served is the function of that name for the gate's own component. A nil Gate is that of a component which is given its Controls.
func (g *Gate) Served(ctx context.Context) (served, ok bool) {
	if g == nil {
		return true, true
	}
	return Served(ctx, g.client, g.clock, g.logger)
}
