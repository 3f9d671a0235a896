package podspec

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// placed is a file that a volume puts at a path, and what it is made of; empty where the volume has one source.
type placed struct{ path, source string }

func (p placed) String() string {
	if p.source == "" {
		return fmt.Sprintf("%q", p.path)
	}
	return fmt.Sprintf("%q (%s)", p.path, p.source)
}

// warnOverlaps finds files of a volume that lie at one path, or below each other: one of them hides the other.
func warnOverlaps(volumes []corev1.Volume) []string {
	var warnings []string
	for _, v := range volumes {
		tell := func(kind string, files []placed) {
			for i, file := range files {
				for _, other := range files[:i] {
					if overlap(file.path, other.path) {
						warnings = append(warnings, fmt.Sprintf("volume %q (%s): overlapping paths: %s with %s", v.Name, kind, file, other))
					}
				}
			}
		}
		if s := v.ConfigMap; s != nil {
			tell(fmt.Sprintf("ConfigMap %q", s.Name), placedItems(s.Items, ""))
		}
		if s := v.Secret; s != nil {
			tell(fmt.Sprintf("Secret %q", s.SecretName), placedItems(s.Items, ""))
		}
		if s := v.DownwardAPI; s != nil {
			tell("DownwardAPI", placedFiles(s.Items, ""))
		}
		if v.Projected == nil {
			continue
		}
		var files []placed
		for i := range v.Projected.Sources {
			if source := &v.Projected.Sources[i]; *source == (corev1.VolumeProjection{}) {
				warnings = append(warnings, fmt.Sprintf("volume %q (Projected) has no sources provided", v.Name))
			} else {
				files = append(files, projected(source)...)
			}
		}
		tell("Projected", files)
	}
	return warnings
}

// projected are the files of one source of a projected volume.
func projected(s *corev1.VolumeProjection) []placed {
	switch {
	case s.ConfigMap != nil && s.ConfigMap.Items != nil:
		return placedItems(s.ConfigMap.Items, fmt.Sprintf("ConfigMap %q", s.ConfigMap.Name))
	case s.Secret != nil && s.Secret.Items != nil:
		return placedItems(s.Secret.Items, fmt.Sprintf("Secret %q", s.Secret.Name))
	case s.DownwardAPI != nil && s.DownwardAPI.Items != nil:
		return placedFiles(s.DownwardAPI.Items, "DownwardAPI")
	case s.ServiceAccountToken != nil:
		return []placed{at(s.ServiceAccountToken.Path, "ServiceAccountToken")}
	case s.ClusterTrustBundle != nil:
		name := s.ClusterTrustBundle.Name
		if name == nil {
			name = s.ClusterTrustBundle.SignerName
		}
		if name == nil {
			return nil
		}
		return []placed{at(s.ClusterTrustBundle.Path, fmt.Sprintf("ClusterTrustBundle %q", *name))}
	case s.PodCertificate != nil:
		var files []placed
		for _, file := range []placed{
			{s.PodCertificate.CertificateChainPath, "PodCertificate chain"}, {s.PodCertificate.KeyPath, "PodCertificate key"},
			{s.PodCertificate.CredentialBundlePath, "PodCertificate credential bundle"},
		} {
			if file.path != "" {
				files = append(files, at(file.path, file.source))
			}
		}
		return files
	}
	return nil
}

func at(path, source string) placed { return placed{strings.TrimRight(path, "/"), source} }

func placedItems(items []corev1.KeyToPath, source string) []placed {
	files := make([]placed, 0, len(items))
	for _, item := range items {
		files = append(files, at(item.Path, source))
	}
	return files
}

func placedFiles(items []corev1.DownwardAPIVolumeFile, source string) []placed {
	files := make([]placed, 0, len(items))
	for _, item := range items {
		files = append(files, at(item.Path, source))
	}
	return files
}

func overlap(a, b string) bool {
	return a != "" && b != "" && (strings.HasPrefix(a+"/", b+"/") || strings.HasPrefix(b+"/", a+"/"))
}
