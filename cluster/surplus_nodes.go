package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"minik.dev/journal"
)

// NodesBefore is how many nodes the cluster of a data directory had when it ran last; 0 where it never did.
func NodesBefore(dataDir string) int {
	h := dataDirectory{dir: dataDir}
	entries, _ := os.ReadDir(filepath.Dir(h.node("node-1"))) // there is none before the first start
	most := 0
	for _, entry := range entries {
		most = max(most, numberOf(entry.Name()))
	}
	return most
}

// numberOf is the number of one of the nodes that a start makes, node-1 and so on; 0 for every other.
func numberOf(node string) int {
	text, ok := strings.CutPrefix(node, "node-")
	n, err := strconv.Atoi(text)
	if !ok || err != nil || strconv.Itoa(n) != text {
		return 0
	}
	return n
}

// removeSurplusNodes removes the nodes that an earlier start had beyond those that are asked for: who starts a cluster of three again
// with one node has one. Their pods are collected, and made again where they have an owner.
func (c *Cluster) removeSurplusNodes(ctx context.Context) (removed []string, err error) {
	client, err := kubernetes.NewForConfig(c.admin)
	if err != nil {
		return nil, fmt.Errorf("making a client that removes nodes: %w", err)
	}
	ctx = journal.WithReason(ctx, fmt.Sprintf("the cluster was started with %d nodes", c.options.Nodes))
	for n := c.options.Nodes + 1; n <= NodesBefore(c.dir.dir); n++ {
		name := fmt.Sprintf("node-%d", n)
		if c.engine != nil {
			if err := c.engine.RemoveNode(ctx, c.network.ID(), name); err != nil {
				return nil, fmt.Errorf("removing the containers of %s: %w", name, err)
			}
		}
		err := client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("removing %s: %w", name, err)
		}
		if err == nil {
			removed = append(removed, name)
		}
		if err := os.RemoveAll(c.dir.node(name)); err != nil {
			return nil, fmt.Errorf("removing the files of %s: %w", name, err)
		}
	}
	slices.Sort(removed)
	return removed, nil
}
