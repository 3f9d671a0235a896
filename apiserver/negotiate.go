package apiserver

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/munnerz/goautoneg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The media types that are spoken.
const (
	mediaJSON  = "application/json"
	mediaYAML  = "application/yaml"
	mediaProto = "application/vnd.kubernetes.protobuf"
)

// media is how an answer is written: an encoding, and what becomes of the object first.
type media struct {
	// Type is mediaJSON, mediaYAML or mediaProto.
	Type string
	// As is "" for the object itself, "Table" or "PartialObjectMetadata".
	As string
	// AsVersion is the version of meta.k8s.io in which As is written: v1 or v1beta1.
	AsVersion string
	// Pretty indents JSON.
	Pretty bool
}

// offer is in which forms an answer can be had, besides JSON: as protobuf, as a Table, as the frames of a watch.
type offer struct{ proto, table, watch bool }

// negotiate picks the first of the client's wishes that can be met. A watch is not offered in YAML, and a Table only in JSON.
// Nothing fitting is 406 with the types that are there.
func negotiate(req *http.Request, there offer) (media, error) {
	pretty := wantsPretty(req) && !there.watch // an event is one line
	header := req.Header.Get("Accept")
	if header == "" {
		return media{Type: mediaJSON, Pretty: pretty}, nil
	}
	for _, wish := range goautoneg.ParseAccept(header) {
		m := media{Pretty: pretty}
		switch wish.Type + "/" + wish.SubType {
		case mediaJSON, "*/*", "application/*":
			m.Type = mediaJSON
		case mediaYAML:
			m.Type = mediaYAML
		case mediaProto:
			m.Type = mediaProto
		default:
			continue
		}
		if stream, ok := wish.Params["stream"]; ok && (stream != "watch" || !there.watch) {
			continue
		}
		if as, ok := wish.Params["as"]; ok {
			m.As = strings.TrimSuffix(as, "List")
			m.AsVersion = wish.Params["v"]
			known := m.As == "Table" || m.As == "PartialObjectMetadata"
			if !known || wish.Params["g"] != metav1.GroupName || (m.AsVersion != "v1" && m.AsVersion != "v1beta1") {
				continue
			}
		}
		switch {
		case m.Type == mediaYAML && there.watch:
		case m.As == "Table" && (m.Type == mediaProto || !there.table):
		case m.Type == mediaProto && m.As == "" && !there.proto:
		default:
			return m, nil
		}
	}
	return media{}, notAcceptable(mediaJSON, mediaYAML, mediaProto)
}

// notAcceptable is 406, with the types that are there.
func notAcceptable(types ...string) error {
	e := apierrors.NewGenericServerResponse(http.StatusNotAcceptable, "get", schema.GroupResource{},
		"", "", 0, false)
	e.ErrStatus.Reason = metav1.StatusReasonNotAcceptable
	e.ErrStatus.Message = "only the following media types are accepted: " + strings.Join(types, ", ")
	return e
}

// takesJSON reports whether the client takes what there is in JSON alone.
func takesJSON(req *http.Request) bool {
	header := req.Header.Get("Accept")
	return header == "" || slices.ContainsFunc(goautoneg.ParseAccept(header), func(wish goautoneg.Accept) bool {
		return slices.Contains([]string{mediaJSON, "*/*", "application/*"}, wish.Type+"/"+wish.SubType)
	})
}

// readers are the programs whose answers people read as they come, by the beginning of their names. They get them indented
// where they do not say otherwise (upstream).
var readers = []string{"curl", "Wget", "Mozilla/5.0"}

func wantsPretty(req *http.Request) bool {
	if asked := req.URL.Query().Get("pretty"); asked != "" {
		pretty, _ := strconv.ParseBool(asked) // neither true nor false counts as false
		return pretty
	}
	return slices.ContainsFunc(readers, func(name string) bool { return strings.HasPrefix(req.UserAgent(), name) })
}

// hasProto reports whether the object can be written as protobuf.
func hasProto(obj runtime.Object) bool {
	_, ok := obj.(interface{ Marshal() ([]byte, error) })
	return ok
}

// bodyType is the media type of a request's body; an empty one is JSON, as upstream takes it.
func bodyType(req *http.Request, allowed ...string) (string, error) {
	header := req.Header.Get("Content-Type")
	if header == "" {
		header = allowed[0]
	}
	t, _, err := mime.ParseMediaType(header)
	if err == nil {
		for _, a := range allowed {
			if t == a {
				return t, nil
			}
		}
	}
	e := apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, req.Method,
		schema.GroupResource{}, "", "", 0, false)
	e.ErrStatus.Reason = metav1.StatusReasonUnsupportedMediaType
	e.ErrStatus.Message = fmt.Sprintf("the body of the request was in an unknown format - accepted media types include: %s",
		strings.Join(allowed, ", "))
	return "", e
}
