package manifests

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const file = `apiVersion: v1
kind: ConfigMap
metadata: {name: web}
---
# the shop
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels:
    example.com/tier: front
spec:
  replica: 3
  template:
    spec:
      containers:
      - name: a
        image: a
      - name: b
        ports:
        - containerPort: 99999
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec: {replicas: -1}
`

func TestLine(t *testing.T) {
	for _, c := range []struct {
		kind, name string
		fields     []string
		line       int
	}{
		{"Deployment", "web", []string{"spec.replica"}, 13},
		{"Deployment", "", []string{"spec.replica"}, 13},
		{"Deployment", "api", []string{"spec.replicas"}, 26},
		{"Deployment", "web", []string{"spec.template.spec.containers[1].ports[0].containerPort"}, 21},
		{"Deployment", "web", []string{"spec.template.spec.containers[1].image"}, 19},
		{"Deployment", "web", []string{"metadata.labels[example.com/tier]"}, 11},
		{"Deployment", "web", []string{"spec.selector"}, 12},
		{"Deployment", "web", nil, 6},
		{"Deployment", "", nil, 6},
		{"ConfigMap", "web", []string{"data[x]"}, 1},
		{"ConfigMap", "api", nil, 0},
	} {
		require.Equal(t, c.line, line(strings.NewReader(file), c.kind, c.name, c.fields), "%s %s %v", c.kind, c.name, c.fields)
	}
	require.Zero(t, Line("no such file", "Pod", "a", nil))
}
