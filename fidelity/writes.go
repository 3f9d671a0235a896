package fidelity

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/operation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/api/testing" // puts groups into legacyscheme, all but the next
	_ "k8s.io/kubernetes/pkg/apis/storagemigration/install"
	"k8s.io/kubernetes/pkg/capabilities"

	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/resources"
)

// write is what a client asks for: that an object is made, or takes the place of the one before.
type write struct {
	obj resources.Object
	old resources.Object // as it was stored; nil where one is made
	// of is where the object comes from, and what was done to it.
	of string
}

// verdict is what becomes of a write.
type verdict struct {
	object   any      // the object as it would be stored, as JSON has it
	errors   []string // "path: type: detail", in order, each once
	values   []string // "path: type: detail: value", likewise: what the mistakes show of the object
	warnings []string // in order, each once; none where there are errors
	broken   string   // why nothing can be said
	compiled bool     // something is said of an expression in CEL, which is not among the errors
}

// when every write takes place, and who asks for it.
var (
	when = metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	who  = auth.User{Name: "jane", Groups: []string{"developers", auth.Authenticated}}
)

// set gives the object what every server gives a new one, or takes from the one before, whoever asks.
func (w write) set(obj resources.Object) {
	obj.SetDeletionTimestamp(nil)
	obj.SetDeletionGracePeriodSeconds(nil)
	obj.SetSelfLink("")
	obj.SetManagedFields(nil)
	if w.old == nil {
		obj.SetUID("11111111-1111-1111-1111-111111111111")
		obj.SetCreationTimestamp(when)
		obj.SetResourceVersion("")
		if obj.GetName() == "" && obj.GetGenerateName() != "" {
			obj.SetName(obj.GetGenerateName() + "x7k2p")
		}
		return
	}
	obj.SetUID(w.old.GetUID())
	obj.SetCreationTimestamp(w.old.GetCreationTimestamp())
	obj.SetResourceVersion(w.old.GetResourceVersion())
	obj.SetGeneration(w.old.GetGeneration())
}

// privileged is how kube-apiserver is started nearly everywhere: with --allow-privileged.
var privileged = sync.OnceFunc(func() { capabilities.Setup(true, 0) })

// minik is what minik makes of the write.
func (k kind) minik(w write) (v verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = verdict{broken: fmt.Sprint("minik panics: ", r)}
		}
	}()
	if k.sub != nil {
		return k.minikStatus(w)
	}
	obj, old := k.stored(w.obj), k.stored(w.old)
	w.set(obj)
	if !k.row.ClusterScoped && obj.GetNamespace() == "" {
		obj.SetNamespace(metav1.NamespaceDefault)
	}
	by := resources.Write{User: who, Now: when}
	if old == nil {
		k.row.PrepareForCreate(obj, by)
	} else {
		k.row.PrepareForUpdate(obj, old, by)
		k.row.CountChange(obj, old)
	}
	if k.Kind == "Service" {
		if err := allocate(k.row, obj, old); err != nil {
			return k.refused(err)
		}
	}
	wrong := resources.Version{Row: k.row, Served: k.served}.Mistakes(obj, old)
	v.errors, v.values = k.tell(wrong)
	v.compiled = slices.ContainsFunc(wrong, compiled)
	if len(v.errors) == 0 {
		v.warnings = once(k.row.Warnings(obj, old))
		v.warnings = slices.DeleteFunc(v.warnings, minikOnly)
	}
	k.row.Complete(obj)
	if k.served != nil {
		obj = k.served.From(obj)
	}
	v.object = tree(obj)
	return v
}

// stored is a copy of the object in the version that minik stores.
func (k kind) stored(obj resources.Object) resources.Object {
	if obj == nil {
		return nil
	}
	obj = obj.DeepCopyObject().(resources.Object)
	if k.served != nil {
		obj = k.served.To(obj)
	}
	obj.GetObjectKind().SetGroupVersionKind(k.row.Kind)
	return obj
}

// upstream is what Kubernetes makes of the write.
func (k kind) upstream(w write) (v verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = verdict{broken: fmt.Sprint("upstream panics: ", r)}
		}
	}()
	privileged()
	given := w.obj.DeepCopyObject().(resources.Object)
	w.set(given)
	obj, err := k.internal(given)
	if err != nil {
		return verdict{broken: "upstream can't read it: " + err.Error()}
	}
	namespace := ""
	if rest.RESTCreateStrategy(k.strategy).NamespaceScoped() {
		if namespace = w.obj.GetNamespace(); namespace == "" {
			namespace = metav1.NamespaceDefault
		}
	}
	warnings := &recorder{}
	ctx := warning.WithWarningRecorder(genericapirequest.WithNamespace(context.Background(), namespace), warnings)
	ctx = genericapirequest.WithUser(ctx, &user.DefaultInfo{Name: who.Name, Groups: who.Groups})
	info := &genericapirequest.RequestInfo{
		IsResourceRequest: true, Verb: "create", APIGroup: k.Group, APIVersion: k.Version, Resource: k.row.Plural, Namespace: namespace,
	}
	if w.old != nil {
		info.Verb, info.Name = "update", w.old.GetName()
	}
	if k.sub != nil {
		info.Subresource = k.sub.Name
	}
	ctx = genericapirequest.WithRequestInfo(ctx, info)
	var old runtime.Object
	if w.old != nil {
		if old, err = k.internal(w.old); err != nil {
			return verdict{broken: "upstream can't read the old one: " + err.Error()}
		}
	}
	if k.Kind == "Service" && k.sub == nil {
		services, err := serviceStorage()
		if err != nil {
			return verdict{broken: "upstream has no storage: " + err.Error()}
		}
		if err := services.begin(ctx, obj, old); err != nil {
			return k.refused(err)
		}
	}
	heard := &heard{}
	switch {
	case k.sub != nil:
		err = rest.BeforeUpdate(&listeningStatus{statusStrategies[k.GroupKind()], heard}, ctx, obj, old)
	case old == nil:
		err = rest.BeforeCreate(&listening{k.strategy, heard}, ctx, obj)
	default:
		err = rest.BeforeUpdate(&listening{k.strategy, heard}, ctx, obj, old)
	}
	if err != nil && !apierrors.IsInvalid(err) {
		return verdict{broken: "upstream refuses it: " + err.Error()}
	}
	v.errors, v.values = k.tell(heard.errs)
	v.compiled = slices.ContainsFunc(heard.errs, compiled)
	v.warnings = once(warnings.told)
	out := k.new()
	if err := legacyscheme.Scheme.Convert(obj, out, nil); err != nil {
		return verdict{broken: "upstream can't write it: " + err.Error()}
	}
	legacyscheme.Scheme.Default(out) // as it is read again
	v.object = tree(out)
	return v
}

// refused is the verdict of a refusal that comes before validation.
func (k kind) refused(err error) verdict {
	if errs, ok := causes(err); ok {
		told, values := k.tell(errs)
		return verdict{errors: told, values: values}
	}
	return verdict{broken: "it is refused: " + err.Error()}
}

// internal is the object as upstream's strategies see it: with its defaults, in the internal version.
func (k kind) internal(obj resources.Object) (runtime.Object, error) {
	obj = obj.DeepCopyObject().(resources.Object)
	legacyscheme.Scheme.Default(obj)
	return legacyscheme.Scheme.UnsafeConvertToVersion(obj, runtime.InternalGroupVersioner)
}

// listening is a strategy whose mistakes are heard as they are, before they become a Status. What is validated declaratively comes last.
type listening struct {
	strategy
	*heard
}

type listeningStatus struct {
	statusStrategy
	*heard
}

type heard struct{ errs field.ErrorList }

func (l *listening) DeclarativeValidationConfig(ctx context.Context, obj, old runtime.Object) rest.DeclarativeValidationConfig {
	return configOf(ctx, l.strategy, obj, old)
}

func (l *listening) ValidateDeclaratively(ctx context.Context, obj, old runtime.Object, errs field.ErrorList, op operation.Type,
	config rest.DeclarativeValidationConfig) field.ErrorList {
	return l.hear(ctx, l.strategy, obj, old, errs, op, config)
}

func (l *listeningStatus) DeclarativeValidationConfig(ctx context.Context, obj, old runtime.Object) rest.DeclarativeValidationConfig {
	return configOf(ctx, l.statusStrategy, obj, old)
}

func (l *listeningStatus) ValidateDeclaratively(ctx context.Context, obj, old runtime.Object, errs field.ErrorList, op operation.Type,
	config rest.DeclarativeValidationConfig) field.ErrorList {
	return l.hear(ctx, l.statusStrategy, obj, old, errs, op, config)
}

func configOf(ctx context.Context, strategy any, obj, old runtime.Object) rest.DeclarativeValidationConfig {
	if s, ok := strategy.(rest.DeclarativeValidationStrategy); ok {
		return s.DeclarativeValidationConfig(ctx, obj, old)
	}
	return rest.DeclarativeValidationConfig{}
}

func (h *heard) hear(ctx context.Context, strategy any, obj, old runtime.Object, errs field.ErrorList, op operation.Type,
	config rest.DeclarativeValidationConfig) field.ErrorList {
	if s, ok := strategy.(rest.DeclarativeValidationStrategy); ok {
		errs = s.ValidateDeclaratively(ctx, obj, old, errs, op, config)
	}
	h.errs = errs
	return errs
}

type recorder struct{ told []string }

func (r *recorder) AddWarning(_, text string) { r.told = append(r.told, text) }

// Upstream's strategies look at the clock themselves: what they stamp since this run began is taken for when.
var (
	began  = time.Now()
	stamps = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"`)
)

// tree is the object as JSON has it.
func tree(obj resources.Object) any {
	text, err := json.Marshal(obj)
	if err != nil {
		return "can't be written: " + err.Error()
	}
	var out map[string]any
	text = stamps.ReplaceAllFunc(text, func(stamp []byte) []byte {
		if t, err := time.Parse(`"`+time.RFC3339+`"`, string(stamp)); err == nil && t.After(began.Add(-time.Minute)) && t.Before(began.Add(24*time.Hour)) {
			return []byte(`"` + when.UTC().Format(time.RFC3339) + `"`)
		}
		return stamp
	})
	if err := json.Unmarshal(text, &out); err != nil {
		return "can't be read again: " + err.Error()
	}
	delete(out, "kind")
	delete(out, "apiVersion")
	return out
}

// tell words the mistakes: what is wrong where, and the same with the values that they show.
func (k kind) tell(errs field.ErrorList) (told, values []string) {
	for _, e := range errs {
		if compiled(e) {
			continue
		}
		detail, _, _ := strings.Cut(e.Detail, "\n") // behind it comes a difference of Go values, whose types are others here and there
		path := e.Field
		if k.Kind == "StatefulSet" { // upstream puts the claims among the volumes in the order of a Go map
			path = setVolume.ReplaceAllString(path, "spec.template.spec.volumes[any]")
		}
		text := fmt.Sprintf("%s: %s: %s", path, string(e.Type), detail)
		told, values = append(told, text), append(values, text+": "+k.value(e))
	}
	return once(told), once(values)
}

// value is what a mistake shows of the object, if anything. Where that is an object, or a list of such, upstream writes it with the names of its Go
// fields, and minik with those of the API: such a value is only said to be one. minik shows nothing of a Secret.
func (k kind) value(e *field.Error) string {
	bare := *e
	bare.Detail = ""
	_, value, ok := strings.Cut(bare.ErrorBody(), ": ")
	if !ok || k.row.Secret {
		return ""
	}
	if strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[{") {
		return "an object"
	}
	return value
}

// compiled tells what is said of an expression in CEL itself: minik compiles none yet, and says no more than that one is missing.
func compiled(e *field.Error) bool {
	return strings.HasSuffix(e.Field, "cel.expression") && (e.Type == field.ErrorTypeInvalid || e.Type == field.ErrorTypeForbidden)
}

var setVolume = regexp.MustCompile(`^spec\.template\.spec\.volumes\[\d+\]`)

// minikOnly tells the warnings by which minik says what it does not do yet. Upstream has no such.
func minikOnly(text string) bool {
	return strings.HasPrefix(text, "minik ") || strings.Contains(text, "not honoured by minik yet")
}

// once are the texts in order, each once.
func once(texts []string) []string {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	return slices.Compact(texts)
}
