// Package admission changes or refuses what is about to be written, after it was decoded and given its defaults and
// before it is validated.
//
// The chain, in order (a file each; the names are upstream's where upstream has the plugin):
//
//  1. NamespaceLifecycle: nothing is made in a namespace that does not exist or that is being deleted, and the namespaces
//     that a cluster lives on are not deleted.
//  2. ServiceAccount: a pod runs as the service account `default` where it names no other; the account must exist.
//  3. DefaultTolerationSeconds: a pod stays for 300 s on a node that is not ready or unreachable.
//  4. Priority: a pod's priority class becomes its priority.
//  5. DefaultStorageClass: a claim that names no class gets the default one.
//  6. PersistentVolumeClaimResize: a bound claim grows only where its class lets volumes grow.
//  7. CertificateSubjectRestriction: nobody asks for a client certificate of the group system:masters.
//  8. ServiceAddresses: a service gets a cluster IP and node ports. Two services never get the same ones, because the store
//     writes them as claims in the transaction of the service; an address that was taken meanwhile is simply drawn again.
//
// Upstream is the REST layer of apiserver; downstream is the store's cache, read through [Reader].
//
// Real Kubernetes has some thirty more plugins and webhooks, and allocates addresses in the registry of services.
package admission
