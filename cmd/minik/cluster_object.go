package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"

	"minik.dev/api"
	"minik.dev/journal"
)

// namespaceFlag is the one of kubectl's global flags that the verbs about one object take.
const namespaceFlag = "namespace"

// reader reads objects and revisions for minik's own verbs.
type reader struct {
	config    *rest.Config
	client    *rest.RESTClient // of minik's own kinds; reads other paths as well
	mapper    meta.RESTMapper
	namespace string
	veil      veil // over the Secrets that are read
}

// newReader connects to the cluster of the data directory, or to that of --kubeconfig.
func newReader(cmd *cobra.Command, home *home, flags *genericclioptions.ConfigFlags) (*reader, error) {
	if !cmd.Flags().Changed("kubeconfig") {
		if err := running(home); err != nil {
			return nil, err
		}
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	mapper, err := flags.ToRESTMapper()
	if err != nil {
		return nil, err
	}
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	return &reader{config: config, client: client, mapper: mapper, namespace: namespace, veil: newVeil()}, nil
}

// object reads KIND/NAME in kubectl's words: pod/web-x, deploy/web, deployments.apps/web. The object need not be there.
func (r *reader) object(cmd *cobra.Command, word string) (journal.Object, error) {
	kind, name, ok := strings.Cut(word, "/")
	if !ok || kind == "" || name == "" || strings.Contains(name, "/") {
		return journal.Object{}, usagef(cmd, "%q is not KIND/NAME, as pod/web-x", word)
	}
	_, named := schema.ParseResourceArg(kind)
	full, err := r.mapper.ResourceFor(named.WithVersion(""))
	if err != nil {
		return journal.Object{}, fmt.Errorf("looking for the kind of %s: %w", word, err)
	}
	object := journal.Object{Group: full.Group, Resource: full.Resource, Name: name}
	mapping, err := r.mapping(object)
	if err != nil {
		return journal.Object{}, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		object.Namespace = r.namespace
	}
	return object, nil
}

func (r *reader) mapping(object journal.Object) (*meta.RESTMapping, error) {
	kind, err := r.mapper.KindFor(schema.GroupVersionResource{Group: object.Group, Resource: object.Resource})
	if err != nil {
		return nil, err
	}
	return r.mapper.RESTMapping(kind.GroupKind(), kind.Version)
}

// state is the object at a revision: nil where there was none, and an error with apierrors.IsResourceExpired where the
// revision is not kept any more.
func (r *reader) state(ctx context.Context, object journal.Object, revision int64) (map[string]any, error) {
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

// veil hides the values of Secrets. It is the key of the marks that stand in their places: one is made for each run of minik,
// and forgotten with it. A plain digest would give away to whoever sees it, in a class or in a log, any password that can be
// guessed; under a key that is gone there is nothing to try guesses against.
type veil []byte

func newVeil() veil {
	key := make(veil, sha256.Size)
	_, _ = rand.Read(key) // it never fails: the process ends where there is no randomness
	return key
}

// over puts a mark in the place of each of the Secret's values. Within one run, equal marks are equal values.
func (v veil) over(secret map[string]any) {
	data, _ := secret["data"].(map[string]any)
	for key, value := range data {
		mark := hmac.New(sha256.New, v)
		_, _ = fmt.Fprint(mark, value) // a hash takes every byte
		data[key] = "hidden:" + hex.EncodeToString(mark.Sum(nil)[:4])
	}
	if metadata, ok := secret["metadata"].(map[string]any); ok {
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			delete(annotations, corev1.LastAppliedConfigAnnotation) // it repeats them
		}
	}
}

// kept is nil for a revision that can be read, and else the API server's line that says which ones can.
func (r *reader) kept(ctx context.Context, revision int64) error {
	return keptThen(ctx, r.config, revision)
}

// revision is one journal entry; ok is false where none is kept.
func (r *reader) revision(ctx context.Context, n int64) (revision api.Revision, ok bool, err error) {
	err = r.client.Get().Resource("revisions").Name(strconv.FormatInt(n, 10)).Do(ctx).Into(&revision)
	if apierrors.IsNotFound(err) || apierrors.IsResourceExpired(err) {
		return revision, false, nil
	}
	return revision, err == nil, err
}

// pageSize is how many revisions are read at a time.
const pageSize = 1000

// revisions calls each for the journal's entries, newest first, until it returns false. A selector of nil is all of them.
func (r *reader) revisions(ctx context.Context, selector fields.Selector, limit int, each func(api.Revision) bool) error {
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

// about selects the revisions of one object.
func about(object journal.Object) fields.Selector {
	return fields.SelectorFromSet(fields.Set{
		"apiGroup": object.Group, "resource": object.Resource, "namespace": object.Namespace, "name": object.Name,
	})
}

// number reads a revision's number.
func number(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q is no revision: it is a number, as 'minik history' lists them", s)
	}
	return n, nil
}

// unknownObject is what is said where the journal has nothing of an object.
func unknownObject(object journal.Object) error {
	where := ""
	if object.Namespace != "" {
		where = " in namespace " + object.Namespace
	}
	return fmt.Errorf("nothing was written of %s/%s%s, as far as history is kept", object.Resource, object.Name, where)
}
