//go:build !race

package cluster

// racing says that the race detector is on, which takes many times the memory.
const racing = false
