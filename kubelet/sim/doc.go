// Package sim runs containers that are not there: a runtime.Runtime without an engine, for classes, tests and clusters
// of thousands of nodes.
//
//  1. A simulated image is pulled after a moment. Refused are the images that could not be pulled anywhere: a path with
//     a part that starts with "your-", and a registry below .invalid, .example, .test or example.com, .org, .net (the
//     names that RFC 2606 keeps from ever being registered). Options.Images names images that exist all the same.
//     The node reports the images that its pods have pulled, all of one size unless an annotation says otherwise.
//  2. A sandbox is an address from the node's range, never one that is in use.
//  3. A container starts after some 20 to 50 ms. A long-running pod's stays; an init container ends after 100 ms. A container of a pod
//     with restartPolicy Never or OnFailure ends after 1 s, or when its command's sleeps are over; one that loops without an end, or is
//     known as a server (nginx, mysql, …) and has no command of its own, stays. Both end with code 0. An ephemeral container stays.
//  4. With Options.Listen it really answers HTTP at the pod's address on its TCP containerPorts and the ports that its
//     probes name by number (and echoes UDP): a few lines of text that name the pod, the node, the image and the request;
//     /env shows its environment. A container that declares no port listens on the one that its image is known for, as
//     nginx for 80. A hostPort is listened on at the node's address. A port that cannot be had makes the
//     container fail, and its log says why.
//  5. Asked to end, a container ends with code 0 at once; killed, with 137.
//
// Annotations of the pod change this; "sim.minik.dev/KEY" is for all its containers but the ephemeral ones,
// "sim.minik.dev/CONTAINER.KEY" for one. A key that is unknown and a value that cannot be read make the container fail to
// start.
//
//	KEY              VALUE           EFFECT
//	pull-delay       duration        how long the image takes (20 to 50 ms)
//	pull-error       text            the image cannot be pulled, for this reason
//	image-size       quantity        what the image takes on the node's disk, as the Node's status reports it (64Mi)
//	start-delay      duration        from the start to running (20 to 50 ms)
//	run-for          duration        it ends by itself after that long
//	exit-code        0 to 255        with this code (0)
//	fail-after       duration        it ends by itself after that long with exit-code, or 1
//	fail-times       number          run-for and fail-after are for the first so many attempts; then it behaves
//	stop-delay       duration        it takes that long to end when asked; beyond the grace it is killed
//	readiness-after  duration        its readiness probe fails until it ran for that long
//	unready          true or false   its readiness probe fails
//	unhealthy-after  duration        its liveness probe fails once it ran for that long
//	startup-after    duration        its startup probe fails until it ran for that long
//	log-line         text            what it logs at its start
//	log-interval     duration        it logs a line each time that long has passed
//
// Probes by exec and grpc succeed unless an annotation says otherwise; those by http and tcp are really dialed where
// the container listens, and answered like the others where it does not.
//
// There is one timer for all containers of a node, and no goroutine for a container that does not listen. Thousands
// of nodes have no Runtime each: kubelet/fleet follows the same table by [ReadScript], and nothing of its containers
// listens.
//
// Real containers are processes; KWOK, upstream's simulator, only writes their status.
package sim
