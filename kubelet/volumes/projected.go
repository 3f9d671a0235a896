package volumes

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// projected is a volume of several sources in one directory.
// https://kubernetes.io/docs/concepts/storage/projected-volumes/
var projected = row{
	name: "projected",
	has:  func(v *corev1.VolumeSource) bool { return v.Projected != nil },
	sources: func(v *corev1.VolumeSource) []source {
		var out []source
		for i := range v.Projected.Sources {
			p := &v.Projected.Sources[i]
			if row, err := projectionOf(p); err == nil && row.sources != nil {
				out = append(out, row.sources(p)...)
			}
		}
		return out
	},
	files: projectedFiles,
}

// projection is one type of source of a projected volume.
type projection struct {
	name string // as a pod's spec spells it; empty for one that no node mounts yet
	has  func(*corev1.VolumeProjection) bool
	// sources and files are those of a row; mode is that of files that name none.
	sources func(*corev1.VolumeProjection) []source
	files   func(in Input, p *corev1.VolumeProjection, mode int32) ([]file, error)
}

// projections are all types of sources.
var projections = []projection{projectedConfigMap, projectedSecret, projectedDownwardAPI, clusterTrustBundle, serviceAccountToken}

// serviceAccountToken cannot be written. Where nothing is written, none is missing.
var serviceAccountToken = projection{
	has: func(p *corev1.VolumeProjection) bool { return p.ServiceAccountToken != nil },
	files: func(in Input, _ *corev1.VolumeProjection, _ int32) ([]file, error) {
		if in.checked {
			return nil, nil
		}
		return nil, errors.New("this cluster issues no service account tokens")
	},
}

func projectionOf(p *corev1.VolumeProjection) (projection, error) {
	var names []string
	for _, row := range projections {
		if row.has(p) {
			return row, nil
		}
		if row.name != "" {
			names = append(names, row.name)
		}
	}
	return projection{}, fmt.Errorf("this node mounts no projected source but %s", listed(names))
}

// projectedFiles are those of all sources; a later one replaces an earlier one of the same path.
func projectedFiles(in Input, v *corev1.VolumeSource) ([]file, error) {
	var out []file
	for i := range v.Projected.Sources {
		p := &v.Projected.Sources[i]
		row, err := projectionOf(p)
		if err != nil {
			return nil, err
		}
		files, err := row.files(in, p, modeOr(v.Projected.DefaultMode))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			out = append(slices.DeleteFunc(out, func(o file) bool { return o.path == f.path }), f)
		}
	}
	return out, nil
}
