package scheduler

// checkNodeName: a pod that names its node goes there.
func checkNodeName(s *shape, n *NodeInfo) *Rejection {
	if s.nodeName == "" || s.nodeName == n.Node.Name {
		return nil
	}
	return reject(NodeName, true, "node(s) didn't match the requested node name")
}
