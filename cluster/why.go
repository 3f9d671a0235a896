package cluster

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"minik.dev/controllers"
)

// The words of an answer to why.
type (
	// Moment is when a question is about.
	Moment = controllers.Moment
	// Opinion is what one controller would do about an object.
	Opinion = controllers.Opinion
	// Intent is a write that is not made.
	Intent = controllers.Intent
)

// Why asks the controllers what they would do about one object at a moment.
func Why(ctx context.Context, config *rest.Config, resource schema.GroupResource, namespace, name string,
	at Moment) ([]Opinion, error) {
	return controllers.Why(ctx, config, resource, namespace, name, at)
}
