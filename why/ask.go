package why

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"minik.dev/controllers"
	"minik.dev/history"
)

// Question asks about one object.
type Question struct {
	// Kind is in kubectl's words: deploy, pods, deployments.apps. Namespace is for kinds that have one.
	Kind, Namespace, Name string
	// Revision is when it is asked about; 0 is Now, which is also the time to the controllers then.
	Revision int64
	Now      time.Time
	// SchedulerConfig is the file that the cluster's scheduler was given; empty is the default.
	SchedulerConfig string
}

// Answer is what whoever decides makes of an object. As JSON it has all that is known.
type Answer interface {
	// Text is the answer for people, or everything that there is to say. Tables are no wider than width, in columns, where they can
	// be laid out so; 0 is no bound.
	Text(all bool, width int) string
}

// Ask answers by asking the functions that decide.
func Ask(ctx context.Context, config *rest.Config, q Question) (Answer, error) {
	mapping, err := mappingOf(config, q.Kind)
	if err != nil {
		return nil, err
	}
	answer, err := ask(ctx, config, mapping, q)
	if q.Revision > 0 && apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%s/%s: there was none at revision %d", q.Kind, q.Name, q.Revision)
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func ask(ctx context.Context, config *rest.Config, mapping *meta.RESTMapping, q Question) (Answer, error) {
	resource := mapping.Resource.GroupResource()
	if resource == corev1.Resource("pods") {
		return ofPod(ctx, config, q.Namespace, q.Name, q.Revision, q.SchedulerConfig)
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		q.Namespace = ""
	}
	object, err := objectAt(ctx, config, mapping.Resource, q)
	if err != nil {
		return nil, err
	}
	moment := controllers.Moment{Revision: q.Revision, Time: q.Now}
	if q.Revision > 0 {
		if moment.Time, err = history.TimeOf(ctx, config, q.Revision); err != nil {
			return nil, err
		}
	}
	opinions, err := controllers.Why(ctx, config, resource, q.Namespace, q.Name, moment)
	return &controllersAnswer{object: object, opinions: opinions}, err
}

// mappingOf finds the kind in kubectl's words: deploy, pods, deployments.apps.
func mappingOf(config *rest.Config, kind string) (*meta.RESTMapping, error) {
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	cached := memory.NewMemCacheClient(disco)
	mapper := restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(cached), cached, nil)
	_, named := schema.ParseResourceArg(kind)
	resource, err := mapper.ResourceFor(named.WithVersion(""))
	if err != nil {
		return nil, fmt.Errorf("looking for kind %q: %w", kind, err)
	}
	found, err := mapper.KindFor(resource)
	if err != nil {
		return nil, fmt.Errorf("looking for kind %q: %w", kind, err)
	}
	return mapper.RESTMapping(found.GroupKind(), found.Version)
}

// objectAt reads the object that is asked about, as it is or was.
func objectAt(ctx context.Context, config *rest.Config, resource schema.GroupVersionResource,
	q Question) (*unstructured.Unstructured, error) {
	client, err := dynamic.NewForConfig(history.At(config, q.Revision))
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", config.Host, err)
	}
	return client.Resource(resource).Namespace(q.Namespace).Get(ctx, q.Name, metav1.GetOptions{})
}
