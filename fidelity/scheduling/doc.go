// Package scheduling holds minik's scheduler to upstream's: both are asked about the same pods on the same clusters, in one process.
//
//  1. cluster.go makes a cluster from a seed, and changes it between decisions. node.go, pod.go, affinity.go and volume.go make what is
//     in it, so that every plugin is the one that decides often enough. A pod is stored as upstream's API server stores it, and one that
//     it would refuse ends the test (stored.go).
//  2. upstream.go is kube-scheduler's own code as it makes itself (scheduler.New), with its default plugins and with those of
//     testdata/profiles.yaml configured in other ways; never run, and asked step by step. minik.go is minik's Schedule, which remembers,
//     and its Explain, which does not.
//  3. Both give a verdict (verdict.go): what keeps the pod from the queue (PreEnqueue); what refuses it whatever the node (PreFilter); of
//     each node the plugin that rejects it, with its reasons and whether an eviction may help, or every plugin's score, normalized and
//     weighted; the node; the message of a pod that fits nowhere; and of every node where evictions help the victims in their order, those
//     against a budget, and the node chosen.
//  4. differences.go compares the verdicts and counts the differences, with all taken out that varies from pod to pod. A difference fails
//     the test, unless known.txt has its line, with the reason after #. minik's decision is carried out, and the next is asked.
//
// The cluster of a difference is made again by its seed:
//
//	go test ./scheduling -args -n 10000 -seed 7
//	go test ./scheduling -run TestDecisions -args -n 1 -seed 4711
//
// Beside decisions, two functions are compared: the class of QoS, and the order of the queue. Effective requests minik takes from
// upstream's own helper; the shortcut that it has for most pods is compared with that in package framework.
//
// minik is meant to differ in this, which is therefore not asked:
//
//   - Pods that state no constraints are spread among those of the same controller, where upstream takes what its selector selects, and
//     every Service's. The clusters here have no Services, and controllers that select no other pods.
//   - Among equally good nodes the pod's UID chooses, where upstream leaves it to chance: it must be one of upstream's best. Upstream's
//     search for victims begins at a random node; here every node is tried.
//   - A score that one side does not give at all must be the same for all nodes on the other: upstream skips plugins that have nothing
//     to say, and minik's total has their 0.
//   - In a cluster of 100 nodes and more, upstream scores some of them, and it remembers which came next (OpportunisticBatching).
//   - Claims that wait for their first consumer are bound by nobody in minik. The clusters have no volume for them, and no driver.
//   - NodeVolumeLimits, NodeDeclaredFeatures and DynamicResources are not in minik, nor is what VolumeRestrictions checks of volumes
//     without a claim. No pod asks for what they look at.
//
// Set aside is what upstream does by oversight: see comparable in differences.go. And nobody places what upstream then counts wrongly:
// two pods with one port or one exclusive claim on a node.
//
// Upstream are package scheduler/framework and k8s.io/kubernetes; downstream is nobody.
package scheduling
