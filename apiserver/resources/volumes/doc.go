// Package volumes has the checks of storage that kinds of several API groups share: claim.go the spec of a claim, as it is written, in a
// StatefulSet's volumeClaimTemplates and in a pod's ephemeral volume; source.go where a volume comes from, as a PersistentVolume and a
// VolumeAttachment say it, and as far as a pod's own volumes say the same. The other volumes of pods are in podspec/volume.go.
package volumes
