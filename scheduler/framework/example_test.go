package framework

import (
	"fmt"
)

// A plugin is one small file, with its row and the row's functions. This one is a filter that keeps pods off nodes that are
// being repaired, and says which changes may turn its no into a yes.

const repairLabel = "example.com/under-repair"

func checkRepair(_ *shape, n *NodeInfo) *Rejection {
	if _, ok := n.Node.Labels[repairLabel]; !ok {
		return nil
	}
	return reject("Repair", true, "node(s) were under repair")
}

var repairRow = plugin{name: "Repair", check: checkRepair, helps: NodeAdded | NodeLabels}

func Example_filter() {
	profile := DefaultProfile()
	profile.filters = append(profile.filters, repairRow) // in the program: a row of plugins()

	snapshot := NewSnapshot()
	snapshot.SetNode(testNode("node-1", nodeResources("4", "8Gi"), nil))
	snapshot.SetNode(testNode("node-2", nodeResources("4", "8Gi"), map[string]string{repairLabel: "disk"}))
	fmt.Println(Schedule(profile, snapshot, testPod("web", resources("1", "1Gi"))).Node)

	snapshot.SetNode(testNode("node-1", nodeResources("4", "8Gi"), map[string]string{repairLabel: "fan"}))
	d := Schedule(profile, snapshot, testPod("web", resources("1", "1Gi")))
	fmt.Println(d.Message)
	wait := NewWaiting(profile, snapshot, testPod("web", nil), d.Plugins())
	fmt.Println(wait.local&NodeLabels != 0)
	// Output:
	// node-1
	// 0/2 nodes are available: 2 node(s) were under repair. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.
	// true
}
