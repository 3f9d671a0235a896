package deployment

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"minik.dev/controllers/controllertest"
)

// aDeployment of the given size and image selects app=web; surge and unavailable are 1 and 0.
func aDeployment(name string, size int32, image string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), Generation: 1,
			ResourceVersion: "1", CreationTimestamp: metav1.NewTime(controllertest.Noon.Add(-time.Hour))},
		Spec: appsv1.DeploymentSpec{
			Replicas: &size,
			Selector: &metav1.LabelSelector{MatchLabels: controllertest.WebLabels},
			Template: templateOf(image),
			Strategy: appsv1.DeploymentStrategy{
				Type: appsv1.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: ptr.To(intstr.FromInt32(1)),
					MaxUnavailable: ptr.To(intstr.FromInt32(0))},
			},
			RevisionHistoryLimit:    ptr.To[int32](10),
			ProgressDeadlineSeconds: ptr.To[int32](600),
		},
	}
}

func templateOf(image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: controllertest.WebLabels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: image}}},
	}
}

func deploymentGiven(g controllertest.Given) *appsv1.Deployment {
	d := aDeployment(g.Name, g.Int("wants", 3), g.Str("template", "v2"))
	d.Annotations = map[string]string{revisionAnnotation: g.Str("revision", "1")}
	if g.Has("cause") {
		d.Annotations["kubernetes.io/change-cause"] = g.Said["cause"]
	}
	d.Spec.Paused = g.Has("paused")
	d.Spec.RevisionHistoryLimit = ptr.To(g.Int("history", 10))
	d.Spec.ProgressDeadlineSeconds = ptr.To(g.Int("deadline", 600))
	d.Spec.Strategy.RollingUpdate.MaxSurge = ptr.To(intstr.Parse(g.Str("surge", "1")))
	d.Spec.Strategy.RollingUpdate.MaxUnavailable = ptr.To(intstr.Parse(g.Str("unavailable", "0")))
	if g.Has("recreate") {
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	d.Status.UpdatedReplicas, d.Status.Replicas = g.Int("updated", 0), g.Int("replicas", 0)
	d.Status.ReadyReplicas, d.Status.AvailableReplicas = g.Int("ready", 0), g.Int("available", 0)
	if g.Has("progressing") { // for example NewReplicaSetCreated:True:5m
		part := strings.Split(g.Said["progressing"], ":")
		since, err := time.ParseDuration(part[2])
		require.NoError(g.T, err)
		setCondition(&d.Status.Conditions, appsv1.DeploymentProgressing, corev1.ConditionStatus(part[1]), part[0], "",
			controllertest.Noon.Add(-since))
	}
	return d
}

// setGiven is a ReplicaSet whose status says that it has done what it should, where the line says no other.
func setGiven(g controllertest.Given, d *appsv1.Deployment) *appsv1.ReplicaSet {
	rs := controllertest.ReplicaSet(g.Name, g.Int("size", 0))
	hash := strings.TrimPrefix(g.Name, d.Name+"-")
	rs.Labels = withLabel(controllertest.WebLabels, appsv1.DefaultDeploymentUniqueLabelKey, hash)
	rs.Spec.Template = templateOf(g.Str("template", "v1"))
	rs.Spec.Template.Labels = rs.Labels
	rs.CreationTimestamp = metav1.NewTime(g.Ago("age", time.Hour))
	if !g.Has("orphan") {
		rs.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d,
			appsv1.SchemeGroupVersion.WithKind("Deployment"))}
	}
	desired := g.Int("desired", *d.Spec.Replicas)
	rs.Annotations = map[string]string{revisionAnnotation: g.Str("revision", "1")}
	annotateSize(rs, desired, g.Int("most", desired+1))
	rs.Status.Replicas = g.Int("replicas", *rs.Spec.Replicas)
	rs.Status.AvailableReplicas = g.Int("available", rs.Status.Replicas)
	rs.Status.ReadyReplicas = rs.Status.AvailableReplicas
	if !g.Has("unobserved") {
		rs.Status.ObservedGeneration = rs.Generation
	}
	if g.Has("failure") {
		rs.Status.Conditions = []appsv1.ReplicaSetCondition{{Type: appsv1.ReplicaSetReplicaFailure,
			Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(controllertest.Noon), Reason: "FailedCreate", Message: g.Said["failure"]}}
	}
	return rs
}

// TestPlanDeployment follows upstream's "Deployments" page, section by section: the files are named after them.
func TestPlanDeployment(t *testing.T) {
	controllertest.Scenarios(t, func(t *testing.T, lines []controllertest.Given) string {
		var d *appsv1.Deployment
		var sets []*appsv1.ReplicaSet
		alive := map[types.UID]int{}
		for _, g := range lines {
			switch g.Word {
			case "deployment":
				d = deploymentGiven(g)
			case "set":
				rs := setGiven(g, d)
				alive[rs.UID] = int(g.Int("alive", rs.Status.Replicas))
				sets = append(sets, rs)
			default:
				t.Fatalf("a scenario of Deployments does not know the word %q", g.Word)
			}
		}
		selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
		require.NoError(t, err)
		plan, err := planDeployment(d, selector, sets, alive, controllertest.Noon)
		require.NoError(t, err)
		return renderDeploymentPlan(plan)
	})
}

func renderDeploymentPlan(plan deploymentPlan) string {
	var b strings.Builder
	for _, rs := range plan.Claims.Adopt {
		fmt.Fprintf(&b, "adopt %s\n", rs.Name)
	}
	for _, rs := range plan.Claims.Release {
		fmt.Fprintf(&b, "release %s\n", rs.Name)
	}
	if rs := plan.Create; rs != nil {
		fmt.Fprintf(&b, "create %s of size %d: %s\n", rs.Name, *rs.Spec.Replicas, plan.CreateReason)
		fmt.Fprintf(&b, "  revision %s\n", rs.Annotations[revisionAnnotation])
	}
	for _, u := range plan.Update {
		fmt.Fprintf(&b, "update %s from %d to %d: %s\n", u.Set.Name, u.From, *u.Set.Spec.Replicas, u.Reason)
		if history := u.Set.Annotations[revisionHistoryAnnotation]; history != "" {
			fmt.Fprintf(&b, "  revision %s, before %s\n", u.Set.Annotations[revisionAnnotation], history)
		}
	}
	for _, d := range plan.Delete {
		fmt.Fprintf(&b, "delete %s: %s\n", d.Set.Name, d.Reason)
	}
	if plan.Revision != "" {
		fmt.Fprintf(&b, "revision %s\n", plan.Revision)
	}
	s := plan.Status
	fmt.Fprintf(&b, "status replicas=%d updated=%d ready=%d available=%d unavailable=%d\n", s.Replicas, s.UpdatedReplicas,
		s.ReadyReplicas, s.AvailableReplicas, s.UnavailableReplicas)
	for _, c := range s.Conditions {
		fmt.Fprintf(&b, "condition %s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	if plan.Again > 0 {
		fmt.Fprintf(&b, "again in %v\n", plan.Again)
	}
	return b.String()
}

// TestFenceposts checks the examples of the "Deployments" page: maxUnavailable is rounded down, maxSurge up, and both may
// not be zero together.
func TestFenceposts(t *testing.T) {
	for _, c := range []struct {
		surge, unavailable string
		replicas           int32
		up, down           int32
	}{
		{"25%", "25%", 4, 1, 1},
		{"25%", "25%", 10, 3, 2},
		{"25%", "25%", 1, 1, 0},
		{"30%", "30%", 10, 3, 3},
		{"0", "0", 5, 0, 1},
		{"0%", "10%", 5, 0, 1},
		{"1", "7", 5, 1, 5},
		{"100%", "0", 3, 3, 0},
		{"25%", "25%", 0, 0, 0},
	} {
		d := aDeployment("web", c.replicas, "v1")
		d.Spec.Strategy.RollingUpdate.MaxSurge = ptr.To(intstr.Parse(c.surge))
		d.Spec.Strategy.RollingUpdate.MaxUnavailable = ptr.To(intstr.Parse(c.unavailable))
		up, down, err := fenceposts(d)
		require.NoError(t, err)
		require.Equal(t, []int32{c.up, c.down}, []int32{up, down}, "%+v", c)
	}
	d := aDeployment("web", 3, "v1")
	d.Spec.Strategy.RollingUpdate.MaxSurge = ptr.To(intstr.FromString("many"))
	_, _, err := fenceposts(d)
	require.ErrorContains(t, err, "reading maxSurge of Deployment web")
}

func TestTemplateHash(t *testing.T) {
	one, two := templateOf("v1"), templateOf("v2")
	names := map[string]bool{}
	for _, template := range []*corev1.PodTemplateSpec{&one, &two} {
		for _, collisions := range []*int32{nil, ptr.To[int32](1), ptr.To[int32](2)} {
			hash := templateHash(template, collisions)
			require.Regexp(t, "^[bcdfghjklmnpqrstvwxz2456789]{1,10}$", hash)
			names[hash] = true
		}
	}
	require.Len(t, names, 6, "each collision has another name")
	// What upstream's ComputeHash makes of these.
	require.Equal(t, "5487557b65", templateHash(&one, nil))
	require.Equal(t, "644c7f799b", templateHash(&one, ptr.To[int32](1)))

	labelled := templateOf("v1")
	labelled.Labels = withLabel(labelled.Labels, appsv1.DefaultDeploymentUniqueLabelKey, "x")
	require.True(t, sameTemplate(&one, &labelled), "the hash's own label is no difference")
	require.False(t, sameTemplate(&one, &two))
}

func TestRevisionHistoryIsBounded(t *testing.T) {
	history := ""
	for revision := range 1000 {
		history = appendRevision(history, strconv.Itoa(revision))
	}
	require.LessOrEqual(t, len(history), maxHistoryLength)
	require.True(t, strings.HasSuffix(history, ",998,999"))
	require.False(t, strings.HasPrefix(history, ","))
}

func TestNoLimitsMeansNone(t *testing.T) {
	d := aDeployment("web", 1, "v1")
	d.Spec.RevisionHistoryLimit, d.Spec.ProgressDeadlineSeconds = ptr.To[int32](math.MaxInt32), ptr.To[int32](math.MaxInt32)
	require.Empty(t, chooseHistory(d, []*appsv1.ReplicaSet{controllertest.ReplicaSet("a", 0)}))
	_, has := progressDeadline(d)
	require.False(t, has)
}
