// Package volumes makes ready what a pod's volumes are made of. Each type of volume is a file and a row.
//
//		apiserver ──ConfigMaps, Secrets, ClusterTrustBundles──▶ HERE ──files──▶ the pod's directory ──▶ runtime ──▶ container
//
//	 1. volumes.go has the table: what objects a type needs, the files that it writes, what it checks and how it is mounted. A
//	    projected volume has a table of its own, of its sources (projected.go).
//	 2. atomic_writer.go writes files so that who reads them sees all of a change or nothing.
//	 3. The [Watcher] follows the objects, and tells of which pods volumes may have changed (watch.go).
//	 4. [MountOf] says what a container mounts, or which part of it (mount.go). Parts of volumes that containers write to are resolved by
//	    the runtime, which mounts what it has opened (kubelet/subpath).
//
// Upstream is the kubelet, which mounts before it starts a sandbox and again when something may have changed; emptyDirs are the
// runtime's to keep. A hostPath is found by its path: whoever can write above it decides where it leads. Real kubelets mount volumes
// with plugins and CSI drivers; here a runtime is told what to mount.
package volumes
