package minik

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"

	"minik.dev/api"
	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
)

// revisions is the row of the journal's entries. They are read-only, and are not stored as other objects are: the API
// server makes them of the journal.
func revisions() *resources.Resource {
	return &resources.Resource{
		Kind:          api.GroupVersion.WithKind("Revision"),
		Plural:        "revisions",
		Custom:        true,
		ClusterScoped: true,
		Journal:       true,
		Verbs:         []string{"get", "list", "watch"},
		New:           func() resources.Object { return &api.Revision{} },
		NewList:       func() runtime.Object { return &api.RevisionList{} },
		Fields:        resources.Of(revisionFields),
		MultiFields:   resources.Of(func(r *api.Revision) map[string][]string { return map[string][]string{"cause": r.Causes} }),
		Columns:       revisionColumns(),
		Cells:         resources.Cells(revisionCells),
	}
}

// revisionFields lets a selector choose by what was written, and by who wrote.
func revisionFields(r *api.Revision) fields.Set {
	return fields.Set{
		"apiGroup": r.APIGroup, "resource": r.Resource, "namespace": r.Namespace, "name": r.Name, "subresource": r.Subresource,
		"verb": r.Verb, "actor.user": r.Actor.User, "actor.component": r.Actor.Component, "actor.command": r.Actor.Command,
		"actor.session": r.Actor.Session,
	}
}

func revisionColumns() []metav1.TableColumnDefinition {
	revision := printers.Column("Revision", "string", 0, "The store's revision that the write made.")
	revision.Format = "name"
	return []metav1.TableColumnDefinition{
		revision,
		printers.Column("Age", "string", 0, "Time since the write."),
		printers.Column("Actor", "string", 0, "The component that wrote, or the user where no component is known."),
		printers.Column("Verb", "string", 0, "What was done."),
		printers.Column("Object", "string", 0, "What was written: resource, name and subresource."),
		printers.Column("Cause", "string", 0, "The earlier revision that made the actor act."),
		printers.Column("Reason", "string", 0, "The sentence of the decision that led to the write."),
		printers.Column("Namespace", "string", 1, "The namespace of what was written."),
		printers.Column("User", "string", 1, "The authenticated name of who wrote."),
	}
}

func revisionCells(r *api.Revision, now time.Time) []any {
	actor := r.Actor.Component
	if actor == "" {
		actor = r.Actor.User
	}
	if r.Actor.Command != "" {
		actor = r.Actor.Command
	}
	object := r.Resource + "/" + r.Name
	if r.Subresource != "" {
		object += "/" + r.Subresource
	}
	return []any{
		r.GetName(), printers.Age(metav1.Time(r.Time), now), actor, r.Verb, object, printers.OrNone(strings.Join(r.Causes, ",")), r.Reason,
		printers.OrNone(r.Namespace), r.Actor.User,
	}
}
