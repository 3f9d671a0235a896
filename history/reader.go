package history

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"minik.dev/api"
	"minik.dev/journal"
)

// Reader reads revisions, and objects at them.
type Reader struct {
	client *rest.RESTClient // of minik's own kinds; reads other paths as well
	mapper meta.RESTMapper
	veil   veil // over the Secrets that are read
	config *rest.Config
}

// NewReader reads the cluster of the configuration, whose kinds the mapper knows.
func NewReader(config *rest.Config, mapper meta.RESTMapper) (*Reader, error) {
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	return &Reader{client: client, mapper: mapper, veil: newVeil(), config: config}, nil
}

// Object finds what a kind in kubectl's words (pod, deploy, deployments.apps) and a name mean; the namespace is for kinds that
// have one. The object need not be there.
func (r *Reader) Object(kind, namespace, name string) (journal.Object, error) {
	_, named := schema.ParseResourceArg(kind)
	full, err := r.mapper.ResourceFor(named.WithVersion(""))
	if err != nil {
		return journal.Object{}, fmt.Errorf("looking for the kind of %s/%s: %w", kind, name, err)
	}
	object := journal.Object{Group: full.Group, Resource: full.Resource, Name: name}
	mapping, err := r.mapping(object)
	if err != nil {
		return journal.Object{}, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		object.Namespace = namespace
	}
	return object, nil
}

func (r *Reader) mapping(object journal.Object) (*meta.RESTMapping, error) {
	kind, err := r.mapper.KindFor(schema.GroupVersionResource{Group: object.Group, Resource: object.Resource})
	if err != nil {
		return nil, err
	}
	return r.mapper.RESTMapping(kind.GroupKind(), kind.Version)
}

// state is the object at a revision: nil where there was none, and an error with apierrors.IsResourceExpired where the
// revision is not kept any more.
func (r *Reader) state(ctx context.Context, object journal.Object, revision int64) (map[string]any, error) {
	mapping, err := r.mapping(object)
	if meta.IsNoMatchError(err) { // it is about no object, as a restore is, or about one of a kind that is not served any more
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	path := []string{"/at", strconv.FormatInt(revision, 10)}
	if object.Group == "" {
		path = append(path, "api", mapping.Resource.Version)
	} else {
		path = append(path, "apis", object.Group, mapping.Resource.Version)
	}
	if object.Namespace != "" {
		path = append(path, "namespaces", object.Namespace)
	}
	answer := r.client.Get().AbsPath(append(path, mapping.Resource.Resource, object.Name)...).Do(ctx)
	if err := answer.Error(); apierrors.IsNotFound(err) { // Raw's own error does not tell what the server said
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	body, err := answer.Raw()
	if err != nil {
		return nil, err
	}
	var state map[string]any
	if err := json.Unmarshal(body, &state); err != nil {
		return nil, fmt.Errorf("reading %s/%s at revision %d: %w", object.Resource, object.Name, revision, err)
	}
	if object.Group == "" && object.Resource == "secrets" {
		r.veil.over(state)
	}
	return state, nil
}

// revision is one journal entry; ok is false where none is kept.
func (r *Reader) revision(ctx context.Context, n int64) (revision api.Revision, ok bool, err error) {
	err = r.client.Get().Resource("revisions").Name(strconv.FormatInt(n, 10)).Do(ctx).Into(&revision)
	if apierrors.IsNotFound(err) || apierrors.IsResourceExpired(err) {
		return revision, false, nil
	}
	return revision, err == nil, err
}

// pageSize is how many revisions are read at a time.
const pageSize = 1000

// revisions calls each for the journal's entries, newest first, until it returns false. A selector of nil is all of them.
func (r *Reader) revisions(ctx context.Context, selector fields.Selector, limit int, each func(api.Revision) bool) error {
	size, token := pageSize, ""
	if limit > 0 {
		size = min(limit, pageSize)
	}
	for {
		request := r.client.Get().Resource("revisions").Param("limit", strconv.Itoa(size))
		if selector != nil {
			request.Param("fieldSelector", selector.String())
		}
		if token != "" {
			request.Param("continue", token)
		}
		var l api.RevisionList
		if err := request.Do(ctx).Into(&l); err != nil {
			return fmt.Errorf("reading the journal: %w", err)
		}
		for _, revision := range l.Items {
			if !each(revision) {
				return nil
			}
		}
		if token = l.Continue; token == "" {
			return nil
		}
	}
}

// selecting selects the revisions of one object.
func selecting(object journal.Object) fields.Selector {
	return fields.SelectorFromSet(fields.Set{
		"apiGroup": object.Group, "resource": object.Resource, "namespace": object.Namespace, "name": object.Name,
	})
}

// unknownObject is what is said where the journal has nothing of an object.
func unknownObject(object journal.Object) error {
	where := ""
	if object.Namespace != "" {
		where = " in namespace " + object.Namespace
	}
	return fmt.Errorf("nothing was written of %s/%s%s, as far as history is kept", object.Resource, object.Name, where)
}
