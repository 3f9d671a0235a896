package apiserver

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	clientscheme "k8s.io/client-go/kubernetes/scheme"

	"minik.dev/api"
)

// codecs read bodies and write answers.
type codecs struct {
	scheme *runtime.Scheme
	json   runtime.Serializer // strict: returns the object and a strict decoding error together
	yaml   runtime.Serializer
	proto  runtime.Serializer
	lax    runtime.Serializer // JSON that does not look for unknown and duplicate fields
	laxY   runtime.Serializer
}

func newCodecs() (*codecs, error) {
	scheme := runtime.NewScheme()
	if err := clientscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering Kubernetes' kinds: %w", err)
	}
	if err := api.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering minik's kinds: %w", err)
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	serializer := func(yaml, strict bool) runtime.Serializer {
		return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme,
			json.SerializerOptions{Yaml: yaml, Strict: strict})
	}
	return &codecs{
		scheme: scheme,
		json:   serializer(false, true),
		yaml:   serializer(true, true),
		lax:    serializer(false, false),
		laxY:   serializer(true, false),
		proto:  protobuf.NewSerializer(scheme, scheme),
	}, nil
}
