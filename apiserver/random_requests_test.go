package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"minik.dev/apiserver/etcd"
	"minik.dev/apiserver/resources"
)

var (
	randomRequests = flag.Int("requests", 3000, "how many random requests TestRandomRequests sends")
	randomSeed     = flag.Uint64("seed", 0, "the seed of TestRandomRequests; 0 draws one")
)

// The value of every Secret that the random requests write, as it is and in base64.
const (
	vaulted        = "v1vaulted"
	vaultedEncoded = "djF2YXVsdGVk"
	vaultedNumber  = 271828182845
)

// Whatever a client sends, to any kind and any subresource that discovery names, in any verb and any form: it is answered, with
// an error of the client's where it was one. None is the server's own (500), none ends a goroutine, none shows what a Secret
// holds, none is stored that cannot be read again.
func TestRandomRequests(t *testing.T) {
	seed := *randomSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("again with -run '^TestRandomRequests$' -seed %d -requests %d", seed, *randomRequests)
	s := startStorm(t, seed)
	for i := range *randomRequests {
		if i%200 == 199 { // much has been deleted
			for _, kind := range s.kinds {
				_ = s.plant(kind) // or what it needs is gone
			}
		}
		s.send(s.draw())
		if i%2000 == 1999 {
			s.readAll()
		}
		if len(s.wrong) >= 25 {
			break
		}
	}
	s.readAll()
	for _, what := range slices.Sorted(maps.Keys(s.wrong)) {
		t.Errorf("%s", s.wrong[what])
	}
	t.Logf("answers by code: %v", s.codes)
}

// target is a resource or a subresource of it, as discovery names it.
type target struct {
	group, version, resource, sub string
	namespaced                    bool
	kind                          schema.GroupVersionKind // of the body
	verbs                         []string
}

func (t target) path(namespace, name string) string {
	path := "/api/" + t.version
	if t.group != "" {
		path = "/apis/" + t.group + "/" + t.version
	}
	if t.namespaced && namespace != "" {
		path += "/namespaces/" + namespace
	}
	path += "/" + t.resource
	if name != "" || t.sub != "" {
		path += "/" + name
	}
	if t.sub != "" {
		path += "/" + t.sub
	}
	return path
}

// stormRequest is one request before it is sent.
type stormRequest struct {
	method, path, contentType, accept string
	query                             url.Values
	body                              []byte
	watches, passedOn, impatient      bool
}

func (r stormRequest) String() string {
	body := r.body
	if len(body) > 1500 {
		body = body[:1500]
	}
	return fmt.Sprintf("%s %s?%s content-type=%q accept=%q\n    %q", r.method, r.path, r.query.Encode(), r.contentType, r.accept, body)
}

// storm sends random requests to an API server, and keeps what it answered wrong.
type storm struct {
	t testing.TB
	objects
	server  *testServer
	targets []target
	seeds   map[schema.GroupVersionKind]map[string]any
	kinds   []schema.GroupVersionKind // of the seeds, in their order
	log     *lockedBuffer
	wrong   map[string]string // one example of each kind of wrong answer
	codes   map[int]int
}

func startStorm(t testing.TB, seed uint64) *storm {
	s := &storm{
		t: t, objects: objects{rand.New(rand.NewPCG(seed, seed))}, log: &lockedBuffer{}, wrong: map[string]string{}, codes: map[int]int{},
		seeds: map[schema.GroupVersionKind]map[string]any{},
	}
	s.server = startWith(t, etcd.Options{Dir: t.TempDir(), Volatile: true}, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		// Nobody answers, whatever an object says.
		o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
	})
	s.server.namespace(t, "default")
	s.server.namespace(t, "kube-system")
	unstructured := crontabs()
	unstructured.Schema = nil // nothing checks objects against it yet, and the library logs each that does not fit
	require.NoError(t, s.server.AddKind(t.Context(), unstructured))
	text, err := os.ReadFile("testdata/objects.yaml")
	require.NoError(t, err)
	for _, part := range bytes.Split(text, []byte("\n---\n")) {
		var object map[string]any
		require.NoError(t, yaml.Unmarshal(part, &object), "%s", part)
		kind := schema.FromAPIVersionAndKind(object["apiVersion"].(string), object["kind"].(string))
		s.seeds[kind], s.kinds = object, append(s.kinds, kind)
	}
	s.discover()
	for _, kind := range s.kinds {
		require.NoError(t, s.plant(kind))
	}
	return s
}

// plant creates the good object of the kind, so that what comes of it gets far.
func (s *storm) plant(kind schema.GroupVersionKind) error {
	i := slices.IndexFunc(s.targets, func(t target) bool { return t.kind == kind && slices.Contains(t.verbs, "create") })
	if i < 0 {
		return nil // a Scale
	}
	name := ""
	if s.targets[i].sub != "" {
		name = "a"
	}
	body, err := json.Marshal(s.seeds[kind])
	require.NoError(s.t, err)
	code, out := s.answer(stormRequest{method: "POST", path: s.targets[i].path("default", name), contentType: mediaJSON, body: body})
	if code != http.StatusCreated && code != http.StatusConflict { // it may be there already, in another version
		return fmt.Errorf("%s is refused: %s", kind, out.Body)
	}
	return nil
}

// discover reads from the server what there is.
func (s *storm) discover() {
	_, lists, err := s.server.client.Discovery().ServerGroupsAndResources()
	require.NoError(s.t, err)
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		require.NoError(s.t, err)
		for _, r := range list.APIResources {
			of := gv
			if r.Version != "" {
				of = schema.GroupVersion{Group: r.Group, Version: r.Version}
			}
			name, sub, _ := strings.Cut(r.Name, "/")
			s.targets = append(s.targets, target{
				group: gv.Group, version: gv.Version, resource: name, sub: sub, namespaced: r.Namespaced, kind: of.WithKind(r.Kind),
				verbs: r.Verbs,
			})
		}
	}
	require.Greater(s.t, len(s.targets), 80)
	for _, target := range s.targets {
		if !strings.Contains(target.kind.Kind, "Options") && slices.Contains(target.verbs, "create") {
			require.Contains(s.t, s.seeds, target.kind, "testdata/objects.yaml lacks one")
		}
	}
}

// draw makes up a request.
func (s *storm) draw() stormRequest {
	at := s.targets[s.IntN(len(s.targets))]
	if s.one(12) { // their mistakes must not be told in full
		at = s.targets[slices.IndexFunc(s.targets, func(t target) bool { return t.resource == "secrets" })]
	}
	verb := at.verbs[s.IntN(len(at.verbs))]
	if s.one(50) {
		verb = resources.AllVerbs[s.IntN(len(resources.AllVerbs))]
	}
	document := s.document(at.kind)
	name := []string{"a", "a", "a", "a", "b", "default", "default", "scheduler", "10.9.0.1"}[s.IntN(9)]
	if metadata, ok := document["metadata"].(map[string]any); ok && !s.one(4) {
		if named, ok := metadata["name"].(string); ok && named != "" && len(named) < 100 {
			name = named
		}
	}
	r := stormRequest{query: url.Values{}, contentType: mediaJSON, accept: s.accept()}
	namespace := []string{"default", "default", "default", "default", "default", "default", "kube-system", "none"}[s.IntN(8)]
	r.passedOn = slices.Contains([]string{"proxy", "log", "exec", "attach", "portforward"}, at.sub)
	switch verb {
	case "create":
		r.method = "POST"
		if at.sub == "" {
			name = ""
		}
	case "update":
		r.method = "PUT"
	case "patch":
		r.method = "PATCH"
	case "delete":
		r.method = "DELETE"
	case "deletecollection":
		r.method, name = "DELETE", ""
	case "list":
		r.method, name = "GET", ""
		if s.one(3) {
			namespace = ""
		}
	case "watch":
		r.method, name, r.watches = "GET", "", true
		r.query.Set("watch", "1")
	default:
		r.method = "GET"
	}
	r.path = at.path(namespace, url.PathEscape(name))
	switch {
	case r.method == "PATCH":
		s.patchBody(&r, document)
	case r.method == "POST" || r.method == "PUT":
		s.body(&r, document, at.kind)
	case r.method == "DELETE" && s.one(2):
		kind := schema.GroupVersionKind{Version: "v1", Kind: "DeleteOptions"}
		options, _ := s.value(reflect.TypeFor[metav1.DeleteOptions](), 3).(map[string]any)
		s.body(&r, options, kind)
	}
	s.options(&r)
	return r
}

// document is an object of the kind: a good one, one with drawn fields, or one that is drawn altogether; and then perhaps
// with something that does not belong there.
func (s *storm) document(kind schema.GroupVersionKind) map[string]any {
	var document map[string]any
	if seed := s.seeds[kind]; seed != nil {
		text, err := json.Marshal(seed)
		require.NoError(s.t, err)
		require.NoError(s.t, json.Unmarshal(text, &document))
	}
	if obj, err := s.server.codecs.scheme.New(kind); err == nil {
		shape := reflect.TypeOf(obj).Elem()
		switch {
		case document == nil || s.one(6):
			document, _ = s.value(shape, 6).(map[string]any)
			document["metadata"] = map[string]any{"name": "a"}
		case s.one(2):
			document, _ = s.vary(document, shape, 10).(map[string]any)
		}
	}
	if document == nil {
		document = map[string]any{}
	}
	if !s.one(20) {
		document["apiVersion"], document["kind"] = kind.ToAPIVersionAndKind()
	}
	for s.one(2) {
		s.garble(document)
	}
	if kind.Kind == "Secret" && s.one(2) {
		s.misplace(document)
	}
	return document
}

// misplace puts what a Secret holds where it does not belong, so that a mistake is made with it.
func (s *storm) misplace(document map[string]any) {
	value := []any{vaulted, vaultedEncoded, vaultedNumber, []any{vaulted}, map[string]any{"x": vaultedEncoded}, "!" + vaulted}[s.IntN(6)]
	field := []string{"data", "stringData"}[s.IntN(2)]
	switch s.IntN(5) {
	case 0:
		document[field] = value
	case 1:
		document[field] = map[string]any{"k": value, "$patch": "x"}
	case 2:
		document[field] = map[string]any{"k": value, "$retainKeys": []any{value}}
	default:
		document[field] = map[string]any{"k": value}
	}
}

// body writes the document in one of the forms that a body may have.
func (s *storm) body(r *stormRequest, document map[string]any, kind schema.GroupVersionKind) {
	text, err := json.Marshal(document)
	require.NoError(s.t, err)
	r.body = text
	switch s.IntN(8) {
	case 0:
		r.contentType = mediaYAML
		if r.body, err = yaml.Marshal(document); err != nil {
			r.body = text // it is YAML as well, or nearly
		}
	case 1:
		obj, err := s.server.codecs.scheme.New(kind)
		if err == nil && json.Unmarshal(text, obj) == nil {
			obj.GetObjectKind().SetGroupVersionKind(kind)
			if body, err := (media{Type: mediaProto}).encode(obj); err == nil {
				r.contentType, r.body = mediaProto, body
			}
		}
	case 2:
		if s.one(6) {
			r.contentType = []string{"", "x/y", "text/plain", "application/json; charset=utf-8", ";;", mediaProto, mediaYAML}[s.IntN(7)]
		}
	}
	if s.one(6) {
		r.body = s.spoil(r.body)
	}
}

// patchBody writes a patch in one of its four forms.
func (s *storm) patchBody(r *stormRequest, document map[string]any) {
	var patch any = document
	switch s.IntN(5) {
	case 0:
		r.contentType, patch = string(types.JSONPatchType), s.operations(document)
	case 1:
		r.contentType = string(types.MergePatchType)
	case 2:
		r.contentType = string(types.StrategicMergePatchType)
	default:
		r.contentType = string(types.ApplyYAMLPatchType)
		if !s.one(10) {
			r.query.Set("fieldManager", []string{"m", "n", "kubectl"}[s.IntN(3)])
		}
		if s.one(2) {
			r.query.Set("force", "true")
		}
	}
	if metadata, ok := document["metadata"].(map[string]any); ok && s.one(3) {
		metadata[[]string{"resourceVersion", "uid", "generateName", "managedFields", "ownerReferences"}[s.IntN(5)]] = s.trouble()
	}
	if r.contentType == string(types.StrategicMergePatchType) && s.one(3) {
		all := places(document, "", func(any) {})
		if at, ok := all[s.IntN(len(all))].get().(map[string]any); ok {
			key := []string{"$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "$retainKeys", "$patch"}[s.IntN(4)]
			at[key] = s.trouble()
		}
	}
	r.body, _ = json.Marshal(patch)
	if s.one(8) {
		r.body = s.spoil(r.body)
	}
}

func (s *storm) accept() string {
	return []string{"", "", "", "", mediaJSON, mediaYAML, mediaProto, "*/*", "application/json;as=Table;v=v1;g=meta.k8s.io",
		"application/yaml;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
		"application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1beta1;g=meta.k8s.io", "x/y", ";"}[s.IntN(14)]
}

// options draws what the query says.
func (s *storm) options(r *stormRequest) {
	values := map[string][]string{
		"dryRun": {"All", "All", "x"}, "fieldManager": {"m", "", strings.Repeat("m", 129), "\x00"},
		"fieldValidation": {"Strict", "Strict", "Warn", "Ignore", "x"}, "force": {"true", "x"},
		"resourceVersion": {"0", "1", "x", "-1", "9223372036854775807"}, "resourceVersionMatch": {"Exact", "NotOlderThan", "x"},
		"propagationPolicy": {"Foreground", "Background", "Orphan", "x"}, "gracePeriodSeconds": {"0", "-1", "x", "9223372036854775807"},
		"orphanDependents": {"true", "x"}, "labelSelector": {"app=x", "app in (x,y),!z", "a=b=c", "a in", "\x7f", "app notin (" + words[2] + ")"},
		"fieldSelector": {"metadata.name=a", "metadata.name!=a", "spec.nodeName=", "status.phase=Pending", "x=y", "\\", "a=b=c"},
		"limit":         {"1", "0", "-1", "x", "9223372036854775807"}, "continue": {"x", "e30", "eyJydiI6MX0", "="},
		"timeout": {"1ms", "1m", "0", "-1s", "x", "100000h"}, "timeoutSeconds": {"1", "x", "-1"}, "watch": {"0", "false", "x"},
		"sendInitialEvents": {"true", "x"}, "allowWatchBookmarks": {"true"}, "pretty": {"true", "x"}, "includeObject": {"None", "Object", "x"},
		"container": {"c", "x"}, "tailLines": {"1", "-1"}, "ports": {"80", "x"}, "command": {"sh"}, "stdout": {"true", "x"}, "path": {"/x", "\x00"},
	}
	names := slices.Sorted(maps.Keys(values))
	for s.one(2) {
		name := names[s.IntN(len(names))]
		r.query.Set(name, values[name][s.IntN(len(values[name]))])
	}
	if len(r.query["watch"]) > 0 {
		r.watches = r.watches || r.query.Get("watch") == "x"
	}
	r.impatient = r.watches || r.query.Has("timeout") || r.query.Has("resourceVersion") || r.query.Has("continue")
}

// answer sends the request, and returns the code and the answer.
func (s *storm) answer(r stormRequest) (int, *httptest.ResponseRecorder) {
	patience := time.Minute
	if r.impatient {
		patience = 5 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	path := r.path
	if len(r.query) > 0 {
		path += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, path, bytes.NewReader(r.body))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", r.contentType)
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	req.TLS = adminTLS()
	out := httptest.NewRecorder()
	s.server.handler.ServeHTTP(out, req)
	return out.Code, out
}

// send sends the request and judges the answer.
func (s *storm) send(r stormRequest) {
	s.log.Reset()
	code, out := s.answer(r)
	s.codes[code]++
	log := s.log.String()
	if strings.Contains(log, "a request panicked") {
		s.blame(r, out, "a panic: "+log)
	}
	switch {
	case code < 500:
	case code == http.StatusGatewayTimeout && r.impatient:
	case code == http.StatusServiceUnavailable && r.passedOn:
	default:
		s.blame(r, out, fmt.Sprint("code ", code))
	}
	if code >= 400 {
		s.checkError(r, out, code, log)
	} else if !r.watches && !r.passedOn {
		s.checkBody(r, out)
	}
}

// checkError asks that an error is told as a Status, and tells nothing of a Secret.
func (s *storm) checkError(r stormRequest, out *httptest.ResponseRecorder, code int, log string) {
	told := out.Body.String() + fmt.Sprint(out.Header()) + log
	if strings.Contains(told, vaulted) || strings.Contains(told, vaultedEncoded) || strings.Contains(told, fmt.Sprint(vaultedNumber)) {
		s.blame(r, out, "a Secret is told: "+log)
	}
	var status metav1.Status
	switch contentType := out.Header().Get("Content-Type"); contentType {
	case mediaJSON:
		if err := json.Unmarshal(out.Body.Bytes(), &status); err != nil {
			s.blame(r, out, "an error that can't be read: "+err.Error())
			return
		}
	case mediaYAML:
		if err := yaml.Unmarshal(out.Body.Bytes(), &status); err != nil {
			s.blame(r, out, "an error that can't be read: "+err.Error())
			return
		}
	case mediaProto:
		if _, _, err := s.server.codecs.proto.Decode(out.Body.Bytes(), nil, &status); err != nil {
			s.blame(r, out, "an error that can't be read: "+err.Error())
			return
		}
	default:
		if code == http.StatusNotFound && strings.Contains(r.path, "%2F") {
			return // a name of slashes makes a path that names no resource, and is answered as upstream answers such
		}
		s.blame(r, out, "an error in "+contentType)
		return
	}
	if int(status.Code) != code || status.Status != metav1.StatusFailure || status.Message == "" {
		s.blame(r, out, "an error that is no Status")
	}
}

// checkBody asks that what is answered can be read.
func (s *storm) checkBody(r stormRequest, out *httptest.ResponseRecorder) {
	body := out.Body.Bytes()
	if out.Header().Get("Content-Encoding") != "" || out.Header().Get("Content-Type") == mediaProto {
		return
	}
	var document any
	var err error
	if out.Header().Get("Content-Type") == mediaYAML {
		err = yaml.Unmarshal(body, &document)
	} else {
		err = json.Unmarshal(body, &document)
	}
	if err != nil || !utf8.Valid(body) {
		s.blame(r, out, fmt.Sprintf("an answer that can't be read: %v", err))
	}
}

// readAll lists everything that came of it in every form, each with its table.
func (s *storm) readAll() {
	for _, target := range s.targets {
		if target.sub != "" || !slices.Contains(target.verbs, "list") {
			continue
		}
		for _, accept := range []string{mediaJSON, mediaYAML, mediaProto, "application/json;as=Table;v=v1;g=meta.k8s.io"} {
			r := stormRequest{method: "GET", path: target.path("", ""), accept: accept}
			if code, out := s.answer(r); code != http.StatusOK && code != http.StatusNotAcceptable {
				s.blame(r, out, fmt.Sprint("code ", code))
			} else {
				s.checkBody(r, out)
			}
		}
	}
	r := stormRequest{method: "GET", path: "/readyz"}
	if code, out := s.answer(r); code != http.StatusOK {
		s.blame(r, out, fmt.Sprint("code ", code))
	}
}

// blame keeps one example of each kind of wrong answer: what is wrong, and the words around it.
func (s *storm) blame(r stormRequest, out *httptest.ResponseRecorder, what string) {
	var status metav1.Status
	_ = yaml.Unmarshal(out.Body.Bytes(), &status)
	message := status.Message
	if message == "" {
		message = out.Body.String()
	}
	kind := what[:min(len(what), 40)] + message[:min(len(message), 40)]
	if _, known := s.wrong[kind]; !known {
		s.wrong[kind] = fmt.Sprintf("%.2000s\n    %s\n    → %d %.600s", what, r, out.Code, message)
	}
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *lockedBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Reset()
}

var _ io.Writer = (*lockedBuffer)(nil)
