package resources

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"minik.dev/apiserver/auth"
)

// Object is what every row's objects are: metadata and a copy of themselves.
type Object interface {
	runtime.Object
	metav1.Object
}

// Resource is one row of the table: all that the verbs need to know of a kind. Every hook is a pure function and may be
// nil. Hooks that get an old object get nil on create; they may change only the object they are named for.
type Resource struct {
	// Kind is the group, version and kind that is stored, and served first.
	Kind schema.GroupVersionKind
	// Plural is the resource's name in paths and in the store's keys.
	Plural     string
	ShortNames []string
	Categories []string
	// ClusterScoped objects have no namespace.
	ClusterScoped bool
	// Custom kinds are not Kubernetes' own: minik's, and those that are made while the server runs. The keys of their objects
	// bear the group, so that they share none with a kind of Kubernetes, whatever their group is called.
	Custom bool
	// Schema describes the objects of a kind that no Go type describes (New makes unstructured ones), as OpenAPI says it. Nil
	// allows anything there, and describes nothing. It is not looked at for a kind of a Go type.
	Schema *spec.Schema
	// Verbs that are served; nil means all of AllVerbs.
	Verbs []string
	// New and NewList make an empty object and an empty list of the stored version; NewList is nil where nothing is stored.
	New     func() Object
	NewList func() runtime.Object
	// Served are further versions of the same object.
	Served []Served
	// Subresources in the order in which discovery lists them.
	Subresources []Subresource

	// Default fills in what the client left out, as upstream documents.
	Default func(Object)
	// Prepare sets what clients may not: it runs after decoding and Default, before Validate. On create it clears or makes
	// the fields that belong to the server (a Pod's phase and QoS class); on update it keeps those of old. Spec, status,
	// generation and the metadata are taken care of for every kind: see Generation and the "status" subresource.
	Prepare func(obj, old Object)
	// Stamp writes into an object what Prepare cannot know: who writes it, and when. It runs after Prepare, and after a
	// subresource was applied; old is nil on create. Who requests a certificate is written so, and the times of conditions
	// and phases.
	Stamp func(obj, old Object, w Write)
	// Validate returns every mistake, with upstream's field paths and messages. Metadata is checked for every kind; Name
	// says how.
	Validate func(obj, old Object) field.ErrorList
	// Name checks a name as upstream does for the kind; nil means a DNS subdomain.
	Name func(name string, prefix bool) []string
	// NameOnce kinds have the form of name and generateName checked on create alone, as upstream does for about half of them.
	NameOnce bool
	// AnyFinalizer kinds take finalizers without a domain that are not Kubernetes' own, as upstream does for some.
	AnyFinalizer bool
	// MetaLast kinds have the metadata of new objects checked only where Validate finds nothing, and then the names only as parts of
	// a path, as upstream does for some.
	MetaLast bool
	// Warn returns what upstream answers in Warning headers, and a line for each field that minik does not honour.
	Warn func(obj, old Object) []string
	// Idle says what is missing where nothing acts on the kind yet: "no controller makes pods of it". A creation is
	// answered with a Warning that says so. Empty where something does.
	Idle string
	// StatusOnCreate keeps the status that a creation brings along, as upstream does for nodes alone: a kubelet registers
	// with its capacity.
	StatusOnCreate bool
	// Generation: metadata.generation counts the changes of everything but metadata and status.
	Generation bool

	// Fields that a field selector may name, beyond metadata.name and metadata.namespace.
	Fields func(Object) fields.Set
	// MultiFields are fields of which an object has several values at once; a selector that names one of them chooses the objects
	// that have the value among theirs.
	MultiFields func(Object) map[string][]string
	// Indexed is one of Fields, for which a watch costs only the events it gets; the zero value is none.
	Indexed Index
	// Awaited kinds are read when objects of others are admitted: a write of one is answered when the server's own cache has it,
	// so that whoever made it can rely on it. (Upstream's admission may be behind for a moment.)
	Awaited bool
	// Claims are things that one object at a time may hold (an address, a port). The store writes them with the object, in
	// one transaction, and refuses an object that claims what another holds.
	Claims func(Object) []string
	// Taken words the refusal of a claim that another object holds: where this one names it, and why it can't have it.
	Taken func(obj Object, claim string) *field.Error
	// Grace says for how many seconds a deletion waits for its object to end by itself; 0 deletes at once. Nil means 0.
	Grace func(obj Object, options *metav1.DeleteOptions) int64

	// Retire runs on an object whose deletion begins, after its deletionTimestamp is set, and marks it as the kind does (a
	// Namespace's phase). It reports whether something besides metadata.finalizers keeps the object.
	Retire func(obj Object) (keep bool)
	// CreateOnUpdate kinds are made by an update of one that is not there, as upstream does for some.
	CreateOnUpdate bool
	// Conditional kinds are updated only by requests that name the resourceVersion they started from, as upstream asks for some.
	Conditional bool
	// ReturnDeleted kinds answer a deletion with the object that is gone, as upstream does for some, and not with a Status.
	ReturnDeleted bool
	// OrphanByDefault kinds leave their dependents behind where a deletion does not say otherwise, as upstream still does
	// for ReplicationControllers and Jobs.
	OrphanByDefault bool
	// WarnOrphaned is the warning for a deletion that leaves dependents behind because it does not say otherwise; empty is no
	// warning.
	WarnOrphaned string

	// Answer answers an object that is posted as a question, in its status. Such a row serves create alone, and its objects
	// are never stored: the reviews. They have no list and no table.
	Answer func(obj Object, asked Asked)

	// Report makes the objects of a kind that is never stored from how the parts of the control plane are doing, anew for
	// every request: ComponentStatus. Such a row serves get and list alone.
	Report func(found []Component) []Object

	// StandsFor is the subresource that objects posted here really go to, of the object with their name: "pods/binding" for
	// Bindings. Such a row serves create alone, and its objects are never stored.
	StandsFor string

	// Secret objects hold values that must not show up anywhere else: messages about mistakes in them leave the values out.
	Secret bool

	// Journal is the row whose objects are the journal's entries. They are read from there, and never stored otherwise.
	Journal bool

	// Deprecated is the warning that every request for the kind is answered with; empty is no warning.
	Deprecated string

	// Columns and Cells are the table of `kubectl get`; columns of a priority above 0 are shown by -o wide. Nil means Name
	// and Age.
	Columns []metav1.TableColumnDefinition
	Cells   func(obj Object, now time.Time) []any

	// Order sorts the table of a list, as upstream does for FlowSchemas; nil leaves it in the order of the list.
	Order func(a, b Object) int

	// Quiet kinds are written so often, and say so little, that they leave no journal entry: Leases and Events.
	Quiet bool
}

// Write is what the server knows of a write besides its objects: who asks, and when.
type Write struct {
	User auth.User
	Now  metav1.Time
}

// AllVerbs is what a row serves where it does not say otherwise, in discovery's order.
var AllVerbs = []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}

// Index is a field by whose value watches are sorted.
type Index struct {
	Field string // its name in a field selector
	Of    func(Object) string
}

// Served is a further version in which an object is served: read from the stored version and written back to it.
type Served struct {
	Kind    schema.GroupVersionKind
	New     func() Object
	NewList func() runtime.Object
	// Schema is the row's Schema for this version.
	Schema *spec.Schema
	// From makes this version of a stored object, To the stored version of this.
	From func(stored Object) Object
	To   func(served Object) Object
	// Validate takes the place of the row's for objects that are written in this version, with their metadata checked first. It gets
	// them as they are stored. Nil is the row's.
	Validate func(obj, old Object) field.ErrorList
}

// Singular is the name of one object of the kind, as kubectl takes it.
func (r *Resource) Singular() string { return strings.ToLower(r.Kind.Kind) }

// GroupResource names the row.
func (r *Resource) GroupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.Kind.Group, Resource: r.Plural}
}

// Stored reports whether objects of the row are kept at all.
func (r *Resource) Stored() bool {
	return r.Answer == nil && r.Report == nil && r.StandsFor == "" && !r.Journal
}

// Unstructured reports whether no Go type describes the row's objects.
func (r *Resource) Unstructured() bool {
	_, ok := r.New().(runtime.Unstructured)
	return ok
}

// SchemaOf is the schema of an unstructured kind in one of the versions in which it is served, or nil.
func (r *Resource) SchemaOf(kind schema.GroupVersionKind) *spec.Schema {
	for i := range r.Served {
		if r.Served[i].Kind == kind {
			return r.Served[i].Schema
		}
	}
	if kind != r.Kind {
		return nil
	}
	return r.Schema
}

// Serves reports whether the row serves the verb.
func (r *Resource) Serves(verb string) bool {
	for _, v := range r.ServedVerbs() {
		if v == verb {
			return true
		}
	}
	return false
}

// ServedVerbs are the row's own, or all of them.
func (r *Resource) ServedVerbs() []string {
	if r.Verbs == nil {
		return AllVerbs
	}
	return r.Verbs
}

// Subresource finds a subresource by its name.
func (r *Resource) Subresource(name string) (*Subresource, bool) {
	for i := range r.Subresources {
		if r.Subresources[i].Name == name {
			return &r.Subresources[i], true
		}
	}
	return nil, false
}

// Component is one part of the control plane, and how it is doing.
type Component struct {
	Name string
	// Health is True, False or, of a part that cannot be asked, Unknown.
	Health corev1.ConditionStatus
	// Message is what the part says of itself; Error is what is wrong with it, or why it cannot be asked.
	Message, Error string
}
