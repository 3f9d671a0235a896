package resources

import (
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/auth"
)

// Asked is what a review is answered from: who asks, and the authorizer that is there.
type Asked struct {
	User  auth.User
	May   func(auth.Attributes) (allowed bool, reason string)
	Rules func(user auth.User, namespace string) []auth.Rule
}

// Review makes the row of a kind that is a question: it is posted, answered, and never stored.
func Review[T Object](row Resource, make func() T, validate func(T) field.ErrorList, answer func(T, Asked)) *Resource {
	row.Verbs = []string{"create"}
	row.New = func() Object { return make() }
	row.Validate = Check(func(obj, _ T) field.ErrorList { return append(bare(obj, row.ClusterScoped), validate(obj)...) })
	row.Answer = func(obj Object, asked Asked) { answer(obj.(T), asked) }
	return &row
}

// bare holds a question to having no metadata: it is no object that anybody could find again.
func bare(obj Object, clusterScoped bool) field.ErrorList {
	meta, path := metav1.ObjectMeta{}, field.NewPath("metadata")
	meta.Name, meta.GenerateName, meta.Labels, meta.Annotations = obj.GetName(), obj.GetGenerateName(), obj.GetLabels(),
		obj.GetAnnotations()
	if equality.Semantic.DeepEqual(meta, metav1.ObjectMeta{}) {
		return nil
	}
	if !clusterScoped {
		return field.ErrorList{field.Invalid(path, meta, "must be empty except for namespace")}
	}
	return field.ErrorList{field.Invalid(path, meta, "must be empty")}
}
