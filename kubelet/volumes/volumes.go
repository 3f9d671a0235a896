package volumes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/env"
	"minik.dev/kubelet/poddir"
	"minik.dev/kubelet/runtime"
)

// row is one type of volume, and all that a node knows of it. Its functions are only asked about volumes that it has.
type row struct {
	name string // as a pod's spec spells it
	has  func(*corev1.VolumeSource) bool
	// sources are the objects of the pod's namespace, or of the cluster, that the files are made of: they are watched while a pod mounts them.
	sources func(*corev1.VolumeSource) []source
	// files are what the kubelet writes for the volume; nil where it writes nothing.
	files func(Input, *corev1.VolumeSource) ([]file, error)
	// prepare makes ready, or refuses, what is on the node already; nil where there is nothing to do.
	prepare func(*corev1.VolumeSource) error
	// mount says what a runtime mounts that resolves the subPath itself; nil where it is what the kubelet has written.
	mount func(*corev1.VolumeSource, *runtime.Mount)
}

// rows are all types of volumes that a node mounts.
var rows = []row{configMap, secret, projected, downwardAPI, emptyDir, hostPath, image}

// objects are what sources can be, by their resource.
var objects = map[string]object{configMaps: watchedConfigMap, secrets: watchedSecret, clusterTrustBundles: watchedTrustBundle}

// file is one file of a volume that the kubelet writes: the path within the volume, and what is in it.
type file struct {
	path string
	mode int32
	data []byte
}

// Dir is where the volumes that the kubelet writes are, by name, in the pod's directory.
const Dir = "volumes"

// Input is what the files of a pod's volumes are made of.
type Input struct {
	Pod          *corev1.Pod
	References   env.References
	TrustBundles TrustBundles
	Allocatable  corev1.ResourceList // the node's: what containers without a limit can have

	checked bool // no file will be written
}

// Check says why the pod's volumes cannot be mounted, in the words of upstream's FailedMount event, or nil. It writes nothing.
func Check(in Input) error {
	in.checked = true
	for i := range in.Pod.Spec.Volumes {
		v := &in.Pod.Spec.Volumes[i]
		if _, _, err := in.files(v); err != nil {
			return mountError(v.Name, err)
		}
	}
	return nil
}

// Write makes the pod's volumes ready in home, which is the pod's directory. Its errors are Check's, or of the file system.
func Write(in Input, home *os.Root) error {
	for i := range in.Pod.Spec.Volumes {
		v := &in.Pod.Spec.Volumes[i]
		if err := in.write(v, home); err != nil {
			return mountError(v.Name, err)
		}
	}
	return nil
}

func mountError(volume string, err error) error {
	return fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", volume, err)
}

// rowOf is the row of the volume's type. A volume of no type has nothing in it.
func rowOf(v *corev1.VolumeSource) (row, error) {
	var names []string
	for _, row := range rows {
		if row.has(v) {
			return row, nil
		}
		names = append(names, row.name)
	}
	if *v == (corev1.VolumeSource{}) {
		return row{}, nil
	}
	return row{}, fmt.Errorf("this node mounts no volumes but %s", listed(names))
}

// listed are the names as a sentence has them.
func listed(names []string) string {
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// files are those of a volume that the kubelet writes, with the row of its type.
func (in Input) files(v *corev1.Volume) (row, []file, error) {
	row, err := rowOf(&v.VolumeSource)
	if err != nil || row.files == nil {
		return row, nil, err
	}
	files, err := row.files(in, &v.VolumeSource)
	return row, files, err
}

// write makes one volume of the pod ready.
func (in Input) write(v *corev1.Volume, home *os.Root) error {
	row, files, err := in.files(v)
	switch {
	case err != nil:
		return err
	case row.prepare != nil:
		return row.prepare(&v.VolumeSource)
	case row.files == nil:
		return nil
	}
	group := int64(-1)
	if security := in.Pod.Spec.SecurityContext; security != nil && security.FSGroup != nil {
		group = *security.FSGroup
	}
	dir, err := poddir.OpenBelow(home, filepath.Join(Dir, v.Name))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return writeVolume(dir, files, group)
}
