package apps

import (
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/podspec"
	"minik.dev/apiserver/resources/printers"
)

func daemonSets() *resources.Resource {
	return &resources.Resource{
		Kind:       appsv1.SchemeGroupVersion.WithKind("DaemonSet"),
		Plural:     "daemonsets",
		NameOnce:   true,
		ShortNames: []string{"ds"},
		Categories: []string{"all"},
		New:        func() resources.Object { return &appsv1.DaemonSet{} },
		NewList:    func() runtime.Object { return &appsv1.DaemonSetList{} },
		Generation: true,
		Subresources: []resources.Subresource{
			resources.Status(func(ds, body *appsv1.DaemonSet) { ds.Status = body.Status }, validateDaemonSetStatus).
				WithSpecAnnotations(appsv1.DeprecatedTemplateGeneration),
		},
		Default:  resources.Each(defaultDaemonSet),
		Prepare:  resources.Pair(countTemplates),
		Validate: resources.Check(validateDaemonSet),
		Warn: resources.Warn(func(ds, old *appsv1.DaemonSet) []string {
			if old != nil && apiequality.Semantic.DeepEqual(ds.Spec.Template, old.Spec.Template) {
				return nil
			}
			return podspec.WarnTemplate(&ds.Spec.Template)
		}),
		Idle:    "no controller makes pods of it",
		Columns: daemonSetColumns(),
		Cells:   resources.Cells(daemonSetCells),
	}
}

// defaultDaemonSet fills in upstream's apps/v1 defaults: a rolling update that takes one node after the other, and ten
// old revisions.
func defaultDaemonSet(ds *appsv1.DaemonSet) {
	strategy := &ds.Spec.UpdateStrategy
	if strategy.Type == "" {
		strategy.Type = appsv1.RollingUpdateDaemonSetStrategyType
	}
	if strategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		if strategy.RollingUpdate == nil {
			strategy.RollingUpdate = &appsv1.RollingUpdateDaemonSet{}
		}
		if rolling := strategy.RollingUpdate; rolling.MaxUnavailable == nil {
			rolling.MaxUnavailable = ptr.To(intstr.FromInt32(1))
		}
		if rolling := strategy.RollingUpdate; rolling.MaxSurge == nil {
			rolling.MaxSurge = ptr.To(intstr.FromInt32(0))
		}
	}
	if rolling := strategy.RollingUpdate; rolling != nil { // of another strategy: upstream keeps two numbers where nothing was said
		if rolling.MaxUnavailable == nil {
			rolling.MaxUnavailable = ptr.To(intstr.FromInt32(0))
		}
		if rolling.MaxSurge == nil {
			rolling.MaxSurge = ptr.To(intstr.FromInt32(0))
		}
	}
	if ds.Spec.RevisionHistoryLimit == nil {
		ds.Spec.RevisionHistoryLimit = ptr.To(int32(10))
	}
	podspec.DefaultTemplate(&ds.Spec.Template)
}

// countTemplates counts the templates that there have been. The number was a field of the spec once; upstream has kept
// it as an annotation, because the pods are labelled with it.
func countTemplates(ds, old *appsv1.DaemonSet) {
	count, err := templateGeneration(ds)
	if old != nil {
		if count, err = templateGeneration(old); !apiequality.Semantic.DeepEqual(ds.Spec.Template, old.Spec.Template) {
			count++
		}
	}
	if err != nil {
		return // Validate says so
	}
	metav1.SetMetaDataAnnotation(&ds.ObjectMeta, appsv1.DeprecatedTemplateGeneration,
		strconv.FormatInt(max(count, 1), 10))
}

// templateGeneration is 0 where the annotation is missing.
func templateGeneration(ds *appsv1.DaemonSet) (int64, error) {
	value, ok := ds.Annotations[appsv1.DeprecatedTemplateGeneration]
	if !ok {
		return 0, nil
	}
	return strconv.ParseInt(value, 10, 64)
}

func daemonSetColumns() []metav1.TableColumnDefinition {
	spec, status := appsv1.DaemonSetSpec{}.SwaggerDoc(), appsv1.DaemonSetStatus{}.SwaggerDoc()
	return append([]metav1.TableColumnDefinition{
		printers.NameColumn(0),
		printers.Column("Desired", "integer", 0, status["desiredNumberScheduled"]),
		printers.Column("Current", "integer", 0, status["currentNumberScheduled"]),
		printers.Column("Ready", "integer", 0, status["numberReady"]),
		printers.Column("Up-to-date", "integer", 0, status["updatedNumberScheduled"]),
		printers.Column("Available", "integer", 0, status["numberAvailable"]),
		printers.Column("Node Selector", "string", 0, corev1.PodSpec{}.SwaggerDoc()["nodeSelector"]),
		printers.AgeColumn(),
	}, printers.TemplateColumns(spec["selector"])...)
}

func daemonSetCells(ds *appsv1.DaemonSet, now time.Time) []any {
	names, images := printers.ContainerCells(ds.Spec.Template.Spec.Containers)
	s := &ds.Status
	return []any{
		ds.Name, int64(s.DesiredNumberScheduled), int64(s.CurrentNumberScheduled), int64(s.NumberReady),
		int64(s.UpdatedNumberScheduled), int64(s.NumberAvailable),
		labels.FormatLabels(ds.Spec.Template.Spec.NodeSelector), printers.Age(ds.CreationTimestamp, now),
		names, images, metav1.FormatLabelSelector(ds.Spec.Selector),
	}
}
