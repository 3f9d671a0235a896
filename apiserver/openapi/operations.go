package openapi

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// operation is how a verb of the table is spoken in HTTP. The words are upstream's: generated clients are named by
// them.
type operation struct {
	method string
	// named operations address one object, the others the collection.
	named bool
	// action is upstream's word for the verb, in x-kubernetes-action; it differs from the table's.
	action string
	// id starts the operation's identifier and infix stands before what it works on:
	// deleteCoreV1CollectionNamespacedPod.
	id, infix string
	// description has one %s for the kind.
	description string
	// options are the types whose fields are the query parameters, but for those omitted.
	options []any
	omitted []string
	// body is what is sent; nil is nothing.
	body any
	// consumes are the media types of the body.
	consumes []string
	// answer is what comes back, with each of the codes.
	answer any
	codes  []int
}

// itself and itsList stand for the Go types of the kind that an operation is made for.
type (
	itself  struct{}
	itsList struct{}
)

var anything = []string{"*/*"}

// patchTypes are the media types of the body of a patch.
var patchTypes = []string{
	string(types.ApplyYAMLPatchType), string(types.JSONPatchType), string(types.MergePatchType),
	string(types.StrategicMergePatchType),
}

// operations are the verbs of the table; "watch" is no operation of its own, but a parameter of list.
var operations = map[string]operation{
	"list": {
		method: "GET", action: "list", id: "list", description: "list or watch objects of kind %s",
		options: []any{metav1.ListOptions{}}, answer: itsList{}, codes: []int{200},
	},
	"create": {
		method: "POST", action: "post", id: "create", description: "create a %s",
		options: []any{metav1.CreateOptions{}}, body: itself{}, consumes: anything, answer: itself{},
		codes: []int{200, 201, 202},
	},
	"deletecollection": {
		method: "DELETE", action: "deletecollection", id: "delete", infix: "Collection",
		description: "delete collection of %s",
		options:     []any{metav1.DeleteOptions{}, metav1.ListOptions{}},
		omitted:     []string{"watch", "allowWatchBookmarks"}, body: metav1.DeleteOptions{},
		consumes: anything, answer: metav1.Status{}, codes: []int{200},
	},
	"get": {
		method: "GET", named: true, action: "get", id: "read", description: "read the specified %s",
		answer: itself{}, codes: []int{200},
	},
	"update": {
		method: "PUT", named: true, action: "put", id: "replace", description: "replace the specified %s",
		options: []any{metav1.UpdateOptions{}}, body: itself{}, consumes: anything, answer: itself{},
		codes: []int{200, 201},
	},
	"patch": {
		method: "PATCH", named: true, action: "patch", id: "patch", description: "partially update the specified %s",
		options: []any{metav1.PatchOptions{}}, body: metav1.Patch{}, consumes: patchTypes, answer: itself{},
		codes: []int{200, 201},
	},
	"delete": {
		method: "DELETE", named: true, action: "delete", id: "delete", description: "delete a %s",
		options: []any{metav1.DeleteOptions{}}, body: metav1.DeleteOptions{}, consumes: anything,
		answer: metav1.Status{}, codes: []int{200, 202},
	},
}

// below makes of an operation on an object the one on its subresource, whose body is given.
func (o operation) below(sub string, body any) operation {
	words := map[string]string{"get": "read", "post": "create", "put": "replace", "patch": "partially update"}
	article := "the specified"
	if o.action == "post" {
		article = "a"
	}
	o.description = words[o.action] + " " + sub + " of " + article + " %s"
	if o.body == any(itself{}) {
		o.body = body
	}
	o.answer, o.named = body, true

	options, stream := connections[sub]
	if !stream {
		return o
	}
	o.options, o.body, o.consumes, o.answer, o.codes = []any{options}, nil, nil, "", []int{200}
	if sub != "log" {
		o.action, o.id, o.infix = "connect", "connect", title(strings.ToLower(o.method))
		o.description = "connect " + o.method + " requests to " + sub + " of %s"
	}
	return o
}

// describedFor fills in the kind, with the article that it is spoken with.
func describedFor(description, kind string) string {
	if strings.ContainsAny(kind[:1], "AEIOU") {
		description = strings.Replace(description, " a %s", " an %s", 1)
	}
	return fmt.Sprintf(description, kind)
}
