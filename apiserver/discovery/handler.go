package discovery

import (
	"bytes"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/munnerz/goautoneg"
	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"sigs.k8s.io/yaml"

	"minik.dev/apiserver/resources"
)

// New serves the discovery documents of the table: /api, /api/v1, /apis, /apis/<group> and /apis/<group>/<version>,
// each with or without a slash at its end. Any other path is 404.
func New(rows []*resources.Resource) http.Handler {
	all := newCatalog(rows)
	core, named := all.split()
	paths := map[string][]*variant{
		"/api":  append(oldForm(apiVersions(core)), aggregatedForm(core)...),
		"/apis": append(oldForm(apiGroupList(named)), aggregatedForm(named)...),
	}
	for _, g := range all {
		root := "/api"
		if g.name != "" {
			root = "/apis/" + g.name
			paths[root] = oldForm(apiGroup(g))
		}
		for _, v := range g.versions {
			paths[root+"/"+v.Version] = oldForm(apiResourceList(v))
		}
	}
	return handler(paths)
}

// handler has for each path the forms in which its document can be had. The first is the one for clients that take
// anything.
type handler map[string][]*variant

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	variants, ok := h[strings.TrimSuffix(r.URL.Path, "/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "discovery documents are read-only: "+r.Method+" is not allowed", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Vary", "Accept")
	chosen := choose(variants, r.Header.Get("Accept"))
	if chosen == nil {
		notAcceptable(w, variants)
		return
	}
	body, err := chosen.body()
	if err != nil {
		http.Error(w, fmt.Sprintf("encoding the discovery document of %s: %v", r.URL.Path, err),
			http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", chosen.mediaType())
	w.Header().Set("ETag", fmt.Sprintf(`"%X"`, sha512.Sum512(body)))
	// ServeContent answers If-None-Match and HEAD; without a time it says nothing of Last-Modified.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// notAcceptable answers 406 with the media types that documents can be had in. Of the aggregated form it says nothing, as
// upstream.
func notAcceptable(w http.ResponseWriter, variants []*variant) {
	var types []string
	for _, v := range variants {
		if v.aggregated == "" {
			types = append(types, v.contentType)
		}
	}
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure,
		Message:  "only the following media types are accepted: " + strings.Join(types, ", "),
		Reason:   metav1.StatusReasonNotAcceptable,
		Code:     http.StatusNotAcceptable,
	}
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	w.WriteHeader(http.StatusNotAcceptable)
	// A client that hangs up before it has read its error has nobody left to tell.
	_ = json.NewEncoder(w).Encode(status)
}

// variant is one form of a document.
type variant struct {
	// contentType is JSON, YAML or protobuf, without parameters.
	contentType string
	// aggregated is the version of the aggregated form; empty for the old form.
	aggregated string
	// body encodes the document once, when it is first asked for.
	body func() ([]byte, error)
}

func (v *variant) mediaType() string {
	if v.aggregated == "" {
		return v.contentType
	}
	return fmt.Sprintf("%s;g=%s;v=%s;as=APIGroupDiscoveryList", v.contentType, apidiscoveryv2.GroupName, v.aggregated)
}

// oldForm is the document as clients before Kubernetes 1.26 know it.
func oldForm(document runtime.Object) []*variant { return encodings("", document) }

// aggregatedForm is the document in version v2, and in v2beta1, which kubectl asks for from 1.26 on.
func aggregatedForm(groups catalog) []*variant {
	return append(encodings("v2", aggregated(groups, "v2")), encodings("v2beta1", aggregated(groups, "v2beta1"))...)
}

func encodings(version string, document runtime.Object) []*variant {
	asJSON := func() ([]byte, error) { return json.Marshal(document) }
	asYAML := func() ([]byte, error) { return yaml.Marshal(document) }
	asProtobuf := func() ([]byte, error) {
		scheme := runtime.NewScheme()
		return runtime.Encode(protobuf.NewSerializer(scheme, scheme), document)
	}
	return []*variant{
		{contentType: runtime.ContentTypeJSON, aggregated: version, body: sync.OnceValues(asJSON)},
		{contentType: runtime.ContentTypeYAML, aggregated: version, body: sync.OnceValues(asYAML)},
		{contentType: runtime.ContentTypeProtobuf, aggregated: version, body: sync.OnceValues(asProtobuf)},
	}
}

// choose takes the first variant that the client's most wanted media type allows; nil when there is none.
func choose(variants []*variant, accept string) *variant {
	if accept == "" {
		accept = "*/*"
	}
	for _, clause := range goautoneg.ParseAccept(accept) {
		for _, v := range variants {
			if v.answers(clause) {
				return v
			}
		}
	}
	return nil
}

// answers: a media type without "as" is the old form. Parameters that do not choose a form, such as "profile" and
// "charset", are left to the client's taste.
func (v *variant) answers(wanted goautoneg.Accept) bool {
	kind, subtype, _ := strings.Cut(v.contentType, "/")
	if wanted.Type != "*" && wanted.Type != kind || wanted.SubType != "*" && wanted.SubType != subtype {
		return false
	}
	if v.aggregated == "" {
		return wanted.Params["as"] == ""
	}
	return wanted.Params["as"] == "APIGroupDiscoveryList" && wanted.Params["g"] == apidiscoveryv2.GroupName &&
		wanted.Params["v"] == v.aggregated
}
