package kubelet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	corev1 "k8s.io/api/core/v1"
)

// checkHostPath makes what the type says to make, and refuses what is not of the type, in upstream's words. A path without
// a type that is not there becomes a directory, as container runtimes make it.
func checkHostPath(v *corev1.HostPathVolumeSource) error {
	kind := corev1.HostPathUnset
	if v.Type != nil {
		kind = *v.Type
	}
	info, err := os.Stat(v.Path)
	absent := errors.Is(err, fs.ErrNotExist)
	if kind == corev1.HostPathUnset && !absent {
		return nil // whatever it is; the engine may see what this process may not
	}
	if err != nil && !absent {
		return fmt.Errorf("hostPath %s: %w", v.Path, err)
	}
	switch kind {
	case corev1.HostPathUnset, corev1.HostPathDirectoryOrCreate:
		if absent {
			if err := os.MkdirAll(v.Path, 0o755); err != nil {
				return fmt.Errorf("making hostPath %s: %w", v.Path, err)
			}
			return nil
		}
		return ofType(info.IsDir(), v.Path, "a directory")
	case corev1.HostPathFileOrCreate:
		if absent {
			file, err := os.OpenFile(v.Path, os.O_CREATE|os.O_EXCL, 0o644)
			if err != nil {
				return fmt.Errorf("making hostPath %s: %w", v.Path, err)
			}
			return file.Close()
		}
		return ofType(info.Mode().IsRegular(), v.Path, "a file")
	case corev1.HostPathDirectory:
		return ofType(!absent && info.IsDir(), v.Path, "a directory")
	case corev1.HostPathFile:
		return ofType(!absent && info.Mode().IsRegular(), v.Path, "a file")
	case corev1.HostPathSocket:
		return ofType(!absent && info.Mode()&fs.ModeSocket != 0, v.Path, "a socket file")
	case corev1.HostPathCharDev:
		return ofType(!absent && info.Mode()&fs.ModeCharDevice != 0, v.Path, "a character device")
	case corev1.HostPathBlockDev:
		block := !absent && info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0
		return ofType(block, v.Path, "a block device")
	}
	return fmt.Errorf("hostPath type %q is none that a node knows", kind)
}

func ofType(is bool, path, kind string) error {
	if is {
		return nil
	}
	return fmt.Errorf("hostPath type check failed: %s is not %s", path, kind)
}
