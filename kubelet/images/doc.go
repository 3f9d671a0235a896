// Package images is what becomes of a container by its images: all of it is decided here, by pure functions.
//
//  1. [WantedBy] says which images a container needs: its own, and those of the volumes of type image that it mounts (wanted.go).
//  2. [FullName] refuses a name that is none (InvalidImageName); [Policy] says whether a registry is asked.
//  3. The kubelet has the runtime pull. An image that may not be pulled is [NeverPulled] (ErrImageNeverPull).
//  4. A pull that has failed says why, and when it is tried again ([Pull.Failed]); what the container reports meanwhile
//     ([Pull.Waiting]: ErrImagePull, then ImagePullBackOff), which Events tell of it, and what who asks for its log is told.
//
// The agent of a fleet asks the same functions. Real kubelets also remove images that nobody uses.
package images
