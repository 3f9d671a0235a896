package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/runtime"
)

// hostPath is a file or directory of the node. https://kubernetes.io/docs/concepts/storage/volumes/#hostpath
var hostPath = row{
	name:    "hostPath",
	has:     func(v *corev1.VolumeSource) bool { return v.HostPath != nil },
	prepare: func(v *corev1.VolumeSource) error { return checkHostPath(v.HostPath) },
	mount: func(v *corev1.VolumeSource, out *runtime.Mount) {
		kind := hostPathType(v.HostPath)
		out.HostPath, out.Type = v.HostPath.Path, &kind
	},
}

// checkHostPath makes what the type says to make, and refuses what is not of the type, in upstream's words. A path without
// a type that is not there becomes a directory, as container runtimes make it.
//
// Links in the path lead where they lead, as with upstream's kubelet: who can write above a hostPath decides what it is. So
// that it is at least the same file that is checked and mounted, runtimes check again what they have opened.
func checkHostPath(v *corev1.HostPathVolumeSource) error {
	kind := hostPathType(v)
	info, err := os.Stat(v.Path)
	absent := errors.Is(err, fs.ErrNotExist)
	if kind == corev1.HostPathUnset && !absent {
		return nil // whatever it is; the engine may see what this process may not
	}
	if err != nil && !absent {
		return fmt.Errorf("hostPath %s: %w", v.Path, err)
	}
	if !absent {
		return CheckHostPathType(kind, v.Path, info.Mode())
	}
	switch kind {
	case corev1.HostPathUnset, corev1.HostPathDirectoryOrCreate:
		if err := os.MkdirAll(v.Path, 0o755); err != nil {
			return fmt.Errorf("making hostPath %s: %w", v.Path, err)
		}
		return nil
	case corev1.HostPathFileOrCreate:
		file, err := os.OpenFile(v.Path, os.O_CREATE|os.O_EXCL, 0o644) // which follows no link
		if err != nil {
			return fmt.Errorf("making hostPath %s: %w", v.Path, err)
		}
		return file.Close()
	}
	return CheckHostPathType(kind, v.Path, fs.ModeIrregular)
}

func hostPathType(v *corev1.HostPathVolumeSource) corev1.HostPathType {
	if v.Type == nil {
		return corev1.HostPathUnset
	}
	return *v.Type
}

// CheckHostPathType says, in upstream's words, that what is at path is not what a hostPath volume must be.
// https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types
func CheckHostPathType(kind corev1.HostPathType, path string, mode fs.FileMode) error {
	switch kind {
	case corev1.HostPathUnset:
		return nil
	case corev1.HostPathDirectory, corev1.HostPathDirectoryOrCreate:
		return ofType(mode.IsDir(), path, "a directory")
	case corev1.HostPathFile, corev1.HostPathFileOrCreate:
		return ofType(mode.IsRegular(), path, "a file")
	case corev1.HostPathSocket:
		return ofType(mode&fs.ModeSocket != 0, path, "a socket file")
	case corev1.HostPathCharDev:
		return ofType(mode&fs.ModeCharDevice != 0, path, "a character device")
	case corev1.HostPathBlockDev:
		return ofType(mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0, path, "a block device")
	}
	return fmt.Errorf("hostPath type %q is none that a node knows", kind)
}

func ofType(is bool, path, kind string) error {
	if is {
		return nil
	}
	return fmt.Errorf("hostPath type check failed: %s is not %s", path, kind)
}
