package kubelet

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// checkVolumes says why the pod's volumes cannot be mounted, in the words of upstream's FailedMount event, or nil.
func checkVolumes(pod *corev1.Pod, refs references) error {
	for _, volume := range pod.Spec.Volumes {
		if err := checkVolume(volume.VolumeSource, refs); err != nil {
			return fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", volume.Name, err)
		}
	}
	return nil
}

func checkVolume(v corev1.VolumeSource, refs references) error {
	switch {
	case v.ConfigMap != nil:
		return checkConfigMap(v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.Optional, refs)
	case v.Secret != nil:
		return checkSecret(v.Secret.SecretName, v.Secret.Items, v.Secret.Optional, refs)
	case v.Projected != nil:
		for _, source := range v.Projected.Sources {
			var err error
			switch {
			case source.ConfigMap != nil:
				err = checkConfigMap(source.ConfigMap.Name, source.ConfigMap.Items, source.ConfigMap.Optional, refs)
			case source.Secret != nil:
				err = checkSecret(source.Secret.Name, source.Secret.Items, source.Secret.Optional, refs)
			case source.DownwardAPI != nil, source.ServiceAccountToken != nil:
			default:
				err = fmt.Errorf("this node mounts no projected source but configMap, secret, downwardAPI and serviceAccountToken")
			}
			if err != nil {
				return err
			}
		}
		return nil
	case v.EmptyDir != nil, v.HostPath != nil, v.DownwardAPI != nil, v == corev1.VolumeSource{}:
		return nil
	}
	return fmt.Errorf("this node mounts no volumes but configMap, secret, projected, downwardAPI, emptyDir and hostPath")
}

func checkConfigMap(name string, items []corev1.KeyToPath, may *bool, refs references) error {
	m, err := refs.configMap(name)
	if err != nil {
		return missing(err, may)
	}
	for _, item := range items {
		_, text := m.Data[item.Key]
		_, binary := m.BinaryData[item.Key]
		if !text && !binary && !optional(may) {
			return fmt.Errorf("configmap references non-existent config key: %s", item.Key)
		}
	}
	return nil
}

func checkSecret(name string, items []corev1.KeyToPath, may *bool, refs references) error {
	s, err := refs.secret(name)
	if err != nil {
		return missing(err, may)
	}
	for _, item := range items {
		if _, ok := s.Data[item.Key]; !ok && !optional(may) {
			return fmt.Errorf("references non-existent secret key: %s", item.Key)
		}
	}
	return nil
}
