// Package admission changes or refuses what is about to be written.
//
// A write goes through the chain in two phases, as upstream's, with what the server itself does between them:
//
//		decoded, defaulted ─▶ Mutate ─▶ defaults again, the server's own fields ─▶ Allocate ─▶ the kind's validation ─▶ Validate ─▶ store
//
//	 1. Plugins that mutate see what the client wrote and may change it. An update runs them in each of its attempts: another
//	    attempt starts from another object.
//	 2. Allocate draws what comes from a range, when all else is settled. (Upstream's registries of services do so.)
//	 3. Plugins that validate see the object as it will be written, valid in itself, and only say yes or no. What counts against a
//	    quota comes last, so that nothing is counted that is refused.
//
// The plugins, in order (a file each; the names are upstream's where upstream has the plugin):
//
//   - NamespaceLifecycle: nothing is made in a namespace that does not exist or that is being deleted, and the namespaces that a
//     cluster lives on are not deleted.
//   - ServiceAccount: a pod runs as the service account `default` where it names no other; the account must exist. Its secrets
//     for pulling images are the pod's where it names none.
//   - DefaultTolerationSeconds: a pod stays for 300 s on a node that is not ready or unreachable.
//   - Priority: a pod's priority class becomes its priority, once.
//   - DefaultStorageClass: a claim that names no class gets the default one.
//   - RuntimeClass: a pod gets the overhead of its class, and runs on the nodes that take the class.
//   - ServiceAddresses: a service gets a cluster IP and node ports. Two services never get the same ones, because the store
//     writes them as claims in the transaction of the service; an address that was taken meanwhile is simply drawn again.
//   - PersistentVolumeClaimResize: a bound claim grows only where its class lets volumes grow.
//   - DeviceAdminAccess: devices that others use already are for namespaces that are marked so.
//   - CertificateSubjectRestriction: nobody asks for a client certificate of the group system:masters.
//   - ServiceExternalIPs: a service is warned of external addresses on which nobody listens.
//
// To add a plugin, write its file and name it in [NewChain].
//
// Upstream is the REST layer of apiserver; downstream is the store's cache, read through [Reader].
//
// Real Kubernetes has some thirty more plugins and webhooks, and allocates addresses in the registry of services.
package admission
