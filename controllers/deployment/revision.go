package deployment

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/dump"

	"minik.dev/controllers/loop"
)

// The annotations by which a Deployment and its ReplicaSets keep their history. kubectl reads them for `rollout history`
// and `rollout undo`.
const (
	// revisionAnnotation is, on a ReplicaSet, the number of the rollout that used its template last; on a Deployment, that of
	// its newest ReplicaSet.
	revisionAnnotation = "deployment.kubernetes.io/revision"
	// revisionHistoryAnnotation lists the revisions that a ReplicaSet stood for before, oldest first.
	revisionHistoryAnnotation = "deployment.kubernetes.io/revision-history"
	// desiredReplicasAnnotation and maxReplicasAnnotation are the Deployment's spec.replicas, and that plus its surge, when
	// the ReplicaSet was last sized. They tell a scaling from a rollout.
	desiredReplicasAnnotation = "deployment.kubernetes.io/desired-replicas"
	maxReplicasAnnotation     = "deployment.kubernetes.io/max-replicas"
)

// maxHistoryLength bounds revisionHistoryAnnotation, in bytes. The oldest revisions make room for the newest.
const maxHistoryLength = 2000

// notCopied are the Deployment's annotations that say something of the Deployment alone.
var notCopied = []string{
	corev1.LastAppliedConfigAnnotation, revisionAnnotation, revisionHistoryAnnotation, desiredReplicasAnnotation,
	maxReplicasAnnotation, appsv1.DeprecatedRollbackTo,
}

// templateHash names a pod template in the names of ReplicaSets and pods. The collision count makes another name of the
// same template when the first was taken by another.
//
// It is upstream's hash to the bit, of the template as Go prints it: a ReplicaSet that was made elsewhere has the name that it would
// have been given here. It changes with what the Go type of a pod has, so with upstream's releases.
func templateHash(template *corev1.PodTemplateSpec, collisions *int32) string {
	hash := fnv.New32a()
	_, _ = fmt.Fprint(hash, dump.ForHash(*template)) // a hash.Hash never fails
	if collisions != nil {
		hash.Write(binary.LittleEndian.AppendUint64(nil, uint64(uint32(*collisions))))
	}
	return utilrand.SafeEncodeString(strconv.FormatUint(uint64(hash.Sum32()), 10))
}

// sameTemplate compares two templates but for the label that names their hash.
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	return apiequality.Semantic.DeepEqual(withoutHash(a), withoutHash(b))
}

func withoutHash(template *corev1.PodTemplateSpec) *corev1.PodTemplateSpec {
	if _, has := template.Labels[appsv1.DefaultDeploymentUniqueLabelKey]; !has {
		return template
	}
	out := *template
	out.Labels = make(map[string]string, len(template.Labels))
	for k, v := range template.Labels {
		if k != appsv1.DefaultDeploymentUniqueLabelKey {
			out.Labels[k] = v
		}
	}
	return &out
}

// findNew is the ReplicaSet that has the Deployment's template: the oldest, should there be several.
func findNew(d *appsv1.Deployment, sets []*appsv1.ReplicaSet) *appsv1.ReplicaSet {
	for _, rs := range slices.SortedFunc(slices.Values(sets), olderFirst) {
		if sameTemplate(&rs.Spec.Template, &d.Spec.Template) {
			return rs
		}
	}
	return nil
}

func olderFirst(a, b *appsv1.ReplicaSet) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
}

// newReplicaSet is the ReplicaSet for the Deployment's template, still without pods.
func newReplicaSet(d *appsv1.Deployment) *appsv1.ReplicaSet {
	hash := templateHash(&d.Spec.Template, d.Status.CollisionCount)
	template := *d.Spec.Template.DeepCopy()
	template.Labels = withLabel(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey, hash)
	selector := d.Spec.Selector.DeepCopy()
	selector.MatchLabels = withLabel(selector.MatchLabels, appsv1.DefaultDeploymentUniqueLabelKey, hash)
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name:      d.Name + "-" + hash,
			Namespace: d.Namespace,
			Labels:    template.Labels,
			OwnerReferences: []metav1.OwnerReference{
				*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment")),
			},
		},
		Spec: appsv1.ReplicaSetSpec{
			Replicas:        new(int32),
			MinReadySeconds: d.Spec.MinReadySeconds,
			Selector:        selector,
			Template:        template,
		},
	}
}

func withLabel(labels map[string]string, key, value string) map[string]string {
	out := make(map[string]string, len(labels)+1)
	for k, v := range labels {
		out[k] = v
	}
	out[key] = value
	return out
}

// revisionOf is the ReplicaSet's revision; zero where it has none that can be read.
func revisionOf(rs *appsv1.ReplicaSet) int64 {
	revision, err := strconv.ParseInt(rs.Annotations[revisionAnnotation], 10, 64)
	if err != nil {
		return 0
	}
	return revision
}

// annotateNew gives the newest ReplicaSet the Deployment's annotations, the change cause among them, and a revision above
// that of all others. A ReplicaSet that stood for an earlier revision, and is used again because of a rollback, keeps that
// one in its history. It returns what changed, for the reason of the write; nothing is the empty string.
func annotateNew(d *appsv1.Deployment, rs *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) string {
	var changed loop.Differences
	if rs.Annotations == nil {
		rs.Annotations = map[string]string{}
	}
	for _, key := range slices.Sorted(maps.Keys(d.Annotations)) {
		value := d.Annotations[key]
		if has, ok := rs.Annotations[key]; slices.Contains(notCopied, key) || ok && has == value {
			continue
		}
		rs.Annotations[key] = value
		changed.Add("annotation %s is as the Deployment's", key)
	}
	revision := int64(1)
	for _, other := range old {
		revision = max(revision, revisionOf(other)+1)
	}
	if before, had := rs.Annotations[revisionAnnotation]; revisionOf(rs) < revision {
		if had {
			rs.Annotations[revisionHistoryAnnotation] = appendRevision(rs.Annotations[revisionHistoryAnnotation], before)
		}
		rs.Annotations[revisionAnnotation] = strconv.FormatInt(revision, 10)
		changed.Add("its template is the Deployment's, so it is revision %d", revision)
	}
	return changed.Sentence("ReplicaSet " + rs.Name)
}

// appendRevision adds a revision to a comma-separated history and drops the oldest where it grows too long.
func appendRevision(history, revision string) string {
	if history == "" {
		return revision
	}
	history += "," + revision
	for len(history) > maxHistoryLength {
		_, rest, more := strings.Cut(history, ",")
		if !more {
			break
		}
		history = rest
	}
	return history
}

// annotateSize notes on the ReplicaSet for what size of the Deployment it was sized.
func annotateSize(rs *appsv1.ReplicaSet, desired, most int32) {
	if rs.Annotations == nil {
		rs.Annotations = map[string]string{}
	}
	rs.Annotations[desiredReplicasAnnotation] = strconv.FormatInt(int64(desired), 10)
	rs.Annotations[maxReplicasAnnotation] = strconv.FormatInt(int64(most), 10)
}

// annotatedSize reads one of annotateSize's numbers.
func annotatedSize(rs *appsv1.ReplicaSet, annotation string) (int32, bool) {
	n, err := strconv.ParseInt(rs.Annotations[annotation], 10, 32)
	return int32(n), err == nil
}

// chooseHistory takes those old ReplicaSets that revisionHistoryLimit no longer keeps: the lowest revisions of those that
// have no pods and none to come.
func chooseHistory(d *appsv1.Deployment, old []*appsv1.ReplicaSet) []replicaSetDeletion {
	limit := d.Spec.RevisionHistoryLimit
	if limit == nil || *limit == math.MaxInt32 {
		return nil
	}
	kept := slices.DeleteFunc(slices.Clone(old), func(rs *appsv1.ReplicaSet) bool { return rs.DeletionTimestamp != nil })
	excess := len(kept) - int(*limit)
	if excess <= 0 {
		return nil
	}
	slices.SortFunc(kept, func(a, b *appsv1.ReplicaSet) int {
		return cmp.Or(cmp.Compare(revisionOf(a), revisionOf(b)), olderFirst(a, b))
	})
	var out []replicaSetDeletion
	for _, rs := range kept[:excess] {
		if rs.Status.Replicas != 0 || *rs.Spec.Replicas != 0 || rs.Generation > rs.Status.ObservedGeneration {
			continue
		}
		out = append(out, replicaSetDeletion{Set: rs, Reason: fmt.Sprintf(
			"Deployment %s keeps %d old ReplicaSets, has %d; %s is revision %d and has no pods",
			d.Name, *limit, len(kept), rs.Name, revisionOf(rs))})
	}
	return out
}
