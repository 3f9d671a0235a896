// Package images is what becomes of a container by its image: all of it is decided in pull.go, by pure functions.
//
//  1. [FullName] refuses a name that is none (InvalidImageName); [Policy] says whether a registry is asked.
//  2. The kubelet has the runtime pull. An image that may not be pulled is [NeverPulled] (ErrImageNeverPull).
//  3. A pull that has failed says why, and when it is tried again ([Pull.Failed]); what the container reports meanwhile
//     ([Pull.Waiting]: ErrImagePull, then ImagePullBackOff), which Events tell of it, and what who asks for its log is told.
//
// The agent of a fleet asks the same functions. Real kubelets also remove images that nobody uses.
package images
