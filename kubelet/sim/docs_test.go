package sim

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Every example of docs/simulation.md is one that the runtime understands, and every key has one.
func TestTheDocumentedAnnotations(t *testing.T) {
	text, err := os.ReadFile("../../docs/simulation.md")
	require.NoError(t, err)
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|.*`(sim\\.minik\\.dev/[a-z.-]+): \"?([^`\"]*)\"?` \\|$").FindAllStringSubmatch(string(text), -1) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{row[2]: row[3]}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web"}}}}
		_, err := behaviourOf(pod, &pod.Spec.Containers[0])
		require.NoError(t, err, row[0])
		documented[row[1]] = true
	}
	source, err := os.ReadFile("annotations.go")
	require.NoError(t, err)
	for _, keys := range regexp.MustCompile(`(?m)^	case (".*"):$`).FindAllStringSubmatch(string(source), -1) {
		for _, key := range regexp.MustCompile(`"([a-z-]+)"`).FindAllStringSubmatch(keys[1], -1) {
			require.True(t, documented[key[1]], "docs/simulation.md has no example of %s", key[1])
		}
	}
}
