package flowcontrol

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	suggested "minik.dev/apiserver/resources/flowcontrol"
)

// there are the objects of every cluster, as they are stored.
func there() (levels []flowcontrolv1.PriorityLevelConfiguration, schemas []flowcontrolv1.FlowSchema) {
	for _, l := range suggested.Levels() {
		l.Generation = 1
		levels = append(levels, *l)
	}
	for _, s := range suggested.Schemas() {
		s.Generation = 1
		schemas = append(schemas, *s)
	}
	return levels, schemas
}

func level(t *testing.T, levels []flowcontrolv1.PriorityLevelConfiguration, name string) *flowcontrolv1.PriorityLevelConfiguration {
	for i := range levels {
		if levels[i].Name == name {
			return &levels[i]
		}
	}
	require.Failf(t, "no such level", "%s", name)
	return nil
}

// An empty cluster gets all of it, and one that has it nothing (what upstream's bootstrap makes).
func TestEveryClusterGetsTheConfiguration(t *testing.T) {
	p := planConfiguration(nil, nil)
	require.Len(t, p.levels.create, 8)
	require.Len(t, p.schemas.create, 11)
	p = planConfiguration(there())
	require.True(t, p.levels.empty() && p.schemas.empty(), "%v", p)
}

// What follows the suggestion is put right, and what says that it does not is left alone
// (https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#maintenance-of-the-mandatory-and-suggested-configuration-objects).
func TestSuggestedLevelsFollowTheirAnnotation(t *testing.T) {
	for name, c := range map[string]struct {
		annotation string
		generation int64
		follows    bool
		updated    bool
	}{
		"it follows":                   {"true", 2, true, true},
		"it does not":                  {"false", 2, false, false},
		"nobody says, or has changed":  {"", 1, true, true},
		"nobody says, and one changed": {"", 2, false, true}, // it is marked
		"what it says is nothing":      {"perhaps", 2, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			levels, schemas := there()
			l := level(t, levels, "workload-low")
			l.Spec.Limited.NominalConcurrencyShares, l.Generation, l.Annotations = ptr.To[int32](7), c.generation, nil
			if c.annotation != "" {
				l.Annotations = map[string]string{flowcontrolv1.AutoUpdateAnnotationKey: c.annotation, "other": "stays"}
			}
			p := planConfiguration(levels, schemas)
			if !c.updated {
				require.True(t, p.levels.empty())
				return
			}
			require.Len(t, p.levels.update, 1)
			got := p.levels.update[0]
			require.Equal(t, c.follows, *got.Spec.Limited.NominalConcurrencyShares == 100, "the spec is what is suggested")
			require.Equal(t, map[bool]string{true: "true", false: "false"}[c.follows], got.Annotations[flowcontrolv1.AutoUpdateAnnotationKey])
			require.Equal(t, l.Annotations["other"], got.Annotations["other"])
			require.Equal(t, int32(7), *l.Spec.Limited.NominalConcurrencyShares, "what was read stays as it is")
		})
	}
}

// The fixed ones can't be kept from following; how much the exempt level lends can be said.
func TestFixedLevelsFollowAnyway(t *testing.T) {
	levels, schemas := there()
	level(t, levels, "exempt").Spec.Exempt.LendablePercent = ptr.To[int32](50)
	require.True(t, planConfiguration(levels, schemas).levels.empty())

	level(t, levels, "catch-all").Annotations = map[string]string{flowcontrolv1.AutoUpdateAnnotationKey: "false"}
	p := planConfiguration(levels, schemas)
	require.Len(t, p.levels.update, 1)
	require.Equal(t, "true", p.levels.update[0].Annotations[flowcontrolv1.AutoUpdateAnnotationKey])
}

// What an older version suggested goes, what people made stays.
func TestWhatIsNoLongerSuggestedGoes(t *testing.T) {
	levels, schemas := there()
	old := flowcontrolv1.FlowSchema{ObjectMeta: metav1.ObjectMeta{Name: "old",
		Annotations: map[string]string{flowcontrolv1.AutoUpdateAnnotationKey: "true"}}}
	mine := flowcontrolv1.FlowSchema{ObjectMeta: metav1.ObjectMeta{Name: "mine", Generation: 1}}
	p := planConfiguration(levels, append(schemas, old, mine))
	require.Len(t, p.schemas.remove, 1)
	require.Equal(t, "old", p.schemas.remove[0].Name)
}

// A schema says whether its level is there, and says it once.
func TestASchemaSaysWhetherItsLevelIsThere(t *testing.T) {
	now := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	levels, schemas := there()
	schemas[0].Spec.PriorityLevelConfiguration.Name = "gone"
	said := planConditions(levels, schemas[:2], now)
	require.Equal(t, []condition{
		{"exempt", flowcontrolv1.FlowSchemaCondition{Type: "Dangling", Status: "True", LastTransitionTime: now, Reason: "NotFound",
			Message: `This FlowSchema references the PriorityLevelConfiguration object named "gone" but there is no such object`}},
		{"probes", flowcontrolv1.FlowSchemaCondition{Type: "Dangling", Status: "False", LastTransitionTime: now, Reason: "Found",
			Message: `This FlowSchema references the PriorityLevelConfiguration object named "exempt" and it exists`}},
	}, said)
	for i := range said {
		schemas[i].Status.Conditions = []flowcontrolv1.FlowSchemaCondition{said[i].FlowSchemaCondition}
	}
	require.Empty(t, planConditions(levels, schemas[:2], metav1.NewTime(now.Add(time.Hour))))
}
