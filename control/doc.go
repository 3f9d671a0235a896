// Package control is a component's side of its api.Control: the gate that its loop passes before each decision.
//
//  1. A loop takes a key and calls [Gate.Enter]; only then it decides. While nobody holds the component that costs one
//     lock.
//  2. The gate knows the Control by a watch ([Gates], or whoever calls [Gate.Set]). Until it has seen whether there is
//     one, it is closed: a component that was held stays held when it starts again. An API server that does not serve
//     Controls, as any but minik's, is asked once ([Served]), and its gates are open.
//  3. While the component is held, what wants to decide waits in line, in the order in which it came. Control.spec.steps
//     counts the decisions that may be made all the same. A pure function, plan, says from the Control and the line what
//     is to be written into its status and whether the first in line may go.
//  4. A step is taken by an update of Control.status.steps at the revision that was read, before the decision is made: so
//     a step is never taken twice, neither by two processes nor by one that was killed.
//  5. When the decision is done ([Pass.Done]), what came of it is written beside it. `minik step` waits for that and
//     shows it with the revisions that the component wrote in between.
//
// The gate itself is never held: it goes on watching and reporting, as do heartbeats, informers and probes. That is why
// the Control has a status, although a node without power can write none: a held component is awake, and is the only one
// who knows what waits.
//
// Upstream of this package are the loops of scheduler, controllers, kubelet, proxy and dns; downstream is apiserver.
//
// Real Kubernetes has nothing like it. Its nearest relatives are spec.paused of a Deployment, and leader election, by
// which a scheduler that is not elected decides nothing.
package control
