package loop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/journal"
)

// rehearsal stands between a controller and the API server: reads go through, or are answered as of an earlier revision;
// writes are noted, and answered as if they had been made.
type rehearsal struct {
	// revision is that of all reads; 0 is the newest.
	revision int64

	mu    sync.Mutex
	noted []Intent
}

func (r *rehearsal) intents() []Intent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.noted)
}

func (r *rehearsal) with(next http.RoundTripper) http.RoundTripper { return onStage{r, next} }

// onStage is a rehearsal on one transport.
type onStage struct {
	*rehearsal
	next http.RoundTripper
}

// RoundTrip answers.
func (r onStage) RoundTrip(req *http.Request) (*http.Response, error) {
	what, ok := targetOf(req.URL.Path)
	switch {
	case !ok: // discovery
		return r.next.RoundTrip(req)
	case req.Method != http.MethodGet:
		return r.pretend(req, what)
	case req.URL.Query().Get("sendInitialEvents") != "":
		// A list says the same, and says when it is complete.
		return answer(req, http.StatusUnprocessableEntity, metav1.Status{Status: metav1.StatusFailure,
			Reason: metav1.StatusReasonInvalid, Code: http.StatusUnprocessableEntity, Message: "lists are asked for here"})
	case req.URL.Query().Get("watch") != "":
		return silence(req), nil
	case r.revision == 0:
		return r.next.RoundTrip(newest(req))
	case what.Name == "":
		return r.next.RoundTrip(r.asOf(req, req.URL.Path, ""))
	}
	return r.get(req, what)
}

// newest is a read of what there is. Informers are content with what a cache has, which may be a moment old: for them the
// next event would bring the rest, and here none comes.
func newest(req *http.Request) *http.Request {
	query := req.URL.Query()
	if query.Get("resourceVersion") != "0" {
		return req
	}
	req = req.Clone(req.Context())
	query.Del("resourceVersion")
	query.Del("resourceVersionMatch")
	req.URL.RawQuery = query.Encode()
	return req
}

// asOf is a list as of the revision. One that is continued says that itself.
func (r onStage) asOf(req *http.Request, path, name string) *http.Request {
	req = req.Clone(req.Context())
	query := req.URL.Query()
	if query.Get("continue") == "" {
		query.Set("resourceVersion", strconv.FormatInt(r.revision, 10))
		query.Set("resourceVersionMatch", string(metav1.ResourceVersionMatchExact))
	}
	if name != "" {
		query.Set("fieldSelector", "metadata.name="+name)
	}
	req.URL.Path, req.URL.RawQuery = path, query.Encode()
	return req
}

// get reads one object as of the revision: the API has lists of the past only.
func (r onStage) get(req *http.Request, what Intent) (*http.Response, error) {
	path, _ := strings.CutSuffix(req.URL.Path, "/"+url.PathEscape(what.Name))
	response, err := r.next.RoundTrip(r.asOf(req, path, what.Name))
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	defer func() { _ = response.Body.Close() }() // it was read, or the error says so
	var list struct {
		APIVersion, Kind string
		Items            []map[string]any
	}
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		return nil, fmt.Errorf("reading %s as it was at revision %d: %w", req.URL.Path, r.revision, err)
	}
	if len(list.Items) == 0 {
		return answer(req, http.StatusNotFound, metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound,
			Code: http.StatusNotFound, Message: fmt.Sprintf("%s %q not found", what.Resource, what.Name)})
	}
	object := list.Items[0]
	object["apiVersion"], object["kind"] = list.APIVersion, strings.TrimSuffix(list.Kind, "List")
	return answer(req, http.StatusOK, object)
}

// pretend notes a write and answers it.
func (r onStage) pretend(req *http.Request, what Intent) (*http.Response, error) {
	what.Verb = map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch",
		http.MethodDelete: "delete"}[req.Method]
	if what.Verb == "delete" && what.Name == "" {
		what.Verb = "deletecollection"
	}
	var err error
	if _, what.Reason, err = journal.FromRequest(req.Header); err != nil {
		return nil, err
	}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, fmt.Errorf("reading what would be written: %w", err)
		}
		if what.Verb != "delete" && what.Verb != "deletecollection" && json.Unmarshal(body, &what.Object) != nil {
			what.Object = nil // no JSON object, such as a list of operations
		}
	}
	if name, ok := nested(what.Object, "generateName"); ok && what.Name == "" {
		what.Name = name + "…"
	}
	if name, ok := nested(what.Object, "name"); ok && what.Name == "" {
		what.Name = name
	}
	r.mu.Lock()
	r.noted = append(r.noted, what)
	r.mu.Unlock()

	switch what.Verb {
	case "create":
		return answer(req, http.StatusCreated, what.Object)
	case "update":
		return answer(req, http.StatusOK, what.Object)
	case "patch":
		read := req.Clone(req.Context())
		read.Method, read.Body, read.ContentLength = http.MethodGet, nil, 0
		read.URL.RawQuery = ""
		read.URL.Path = strings.TrimSuffix(read.URL.Path, "/"+what.Subresource)
		return r.RoundTrip(read)
	}
	return answer(req, http.StatusOK, metav1.Status{Status: metav1.StatusSuccess})
}

// nested is a text of the object's metadata.
func nested(object map[string]any, field string) (string, bool) {
	metadata, _ := object["metadata"].(map[string]any)
	text, ok := metadata[field].(string)
	return text, ok && text != ""
}

// answer makes a response.
func answer(req *http.Request, code int, body any) (*http.Response, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("answering %s: %w", req.URL.Path, err)
	}
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(text)),
		Body: io.NopCloser(bytes.NewReader(text)),
	}, nil
}

// silence is a watch that tells nothing until its request ends.
func silence(req *http.Request) *http.Response {
	reader, writer := io.Pipe()
	go func() {
		<-req.Context().Done()
		_ = writer.CloseWithError(io.EOF)
	}()
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req, ContentLength: -1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: reader,
	}
}

// targetOf reads which object a path of the API names; false where it names none.
func targetOf(path string) (Intent, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var what Intent
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		what.Group, parts = parts[1], parts[3:]
	default:
		return what, false
	}
	// A namespace is an object too: /namespaces/shop and /namespaces/shop/finalize are about it.
	if parts[0] == "namespaces" && len(parts) > 2 && parts[2] != "finalize" && parts[2] != "status" {
		what.Namespace, parts = parts[1], parts[2:]
	}
	what.Resource = parts[0]
	if len(parts) > 1 {
		what.Name = parts[1]
	}
	if len(parts) > 2 {
		what.Subresource = strings.Join(parts[2:], "/")
	}
	return what, true
}
