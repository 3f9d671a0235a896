package cluster

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestChooseRuntime(t *testing.T) {
	const engine = "docker 20.10.24 at unix:///var/run/docker.sock"
	silent := errors.New("no engine answers at unix:///var/run/docker.sock")
	for _, c := range []struct {
		wanted, engine string
		engineErr      error
		want, wantErr  string
	}{
		{wanted: "auto", engine: engine, want: "docker: " + engine + ", which answers"},
		{wanted: "auto", engineErr: silent,
			want: "sim: containers are simulated, as no engine runs them: no engine answers at unix:///var/run/docker.sock"},
		{wanted: "docker", engine: engine, want: "docker: " + engine + ", asked for"},
		{wanted: "docker", engineErr: silent, wantErr: "--runtime docker: no engine answers at unix:///var/run/docker.sock; " +
			"--runtime sim simulates containers"},
		{wanted: "sim", want: "sim: asked for"},
	} {
		choice, err := chooseRuntime(c.wanted, c.engine, c.engineErr)
		if c.wantErr != "" {
			require.EqualError(t, err, c.wantErr)
			require.ErrorIs(t, err, c.engineErr)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, choice.String())
	}
}

// Each device is one node's alone.
func TestGPUsOf(t *testing.T) {
	two := corev1.ResourceList{gpu: resource.MustParse("2")}
	require.Equal(t, []string{"0", "1"}, gpusOf(1, two))
	require.Equal(t, []string{"4", "5"}, gpusOf(3, two))
	require.Empty(t, gpusOf(1, nil))
}
