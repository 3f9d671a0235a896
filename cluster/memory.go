package cluster

import (
	"bufio"
	"bytes"
	"context"
	"math"
	"os"
	"path"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// A process in a container, or on a small machine, is killed when it takes more memory than there is. So Go's collector is told
// how much that is; it works harder the closer it comes. Where what is really in use comes close, the API server gives up what
// it keeps to save time. And what a busy hour took is given back to the system soon after it.

// limitShare is the part of the memory there is that Go may take, in percent: the rest is for etcd's pages, and for others.
const (
	limitShareOfGroup   = 85
	limitShareOfMachine = 75
)

// LimitMemory is for a program that is nothing but a cluster: the whole process takes no more memory than its cgroup or the
// machine has, unless $GOMEMLIMIT says how much.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if limit := memoryLimit(groupMemory(os.ReadFile), machineMemory(os.ReadFile)); limit > 0 {
		debug.SetMemoryLimit(limit)
	}
}

// memoryLimit is the pure decision how much Go may take, in bytes, where so much is there; 0 is not known.
func memoryLimit(group, machine int64) int64 {
	if group > 0 && (machine == 0 || group < machine) {
		return group / 100 * limitShareOfGroup
	}
	return machine / 100 * limitShareOfMachine
}

// readFile is os.ReadFile.
type readFile func(name string) ([]byte, error)

// groupMemory is what the process's cgroup and those around it leave it, in bytes; 0 where there is no bound, or no cgroup.
func groupMemory(read readFile) int64 {
	groups, err := read("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	least := int64(math.MaxInt64)
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max" // version 2
		if parts[1] == "memory" {
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		for group := parts[2]; ; group = path.Dir(group) {
			if text, err := read(path.Join(root, group, file)); err == nil {
				if n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil { // else it is "max"
					least = min(least, n)
				}
			}
			if group == "/" || group == "." {
				break
			}
		}
	}
	if least > 1<<60 { // version 1's word for no bound
		return 0
	}
	return least
}

// machineMemory is what the machine has, in bytes; 0 where that is not known.
func machineMemory(read readFile) int64 {
	text, err := read("/proc/meminfo")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var kilobytes int64
		if fields := strings.Fields(lines.Text()); len(fields) >= 2 && fields[0] == "MemTotal:" {
			kilobytes, err = strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0
			}
			return kilobytes << 10
		}
	}
	return 0
}

// memoryUse is what Go's runtime says of its memory, in bytes.
type memoryUse struct {
	live  int64  // was in use when garbage was collected last
	taken int64  // from the system
	count uint64 // of collections
}

// memoryEvery is how often the use of memory is looked at.
const memoryEvery = time.Second

// shortOfMemory is the pure decision whether memory is short: from half of the limit on in use, as garbage needs room too, until
// it is two fifths again.
func shortOfMemory(use memoryUse, limit int64, before bool) bool {
	if before {
		return use.live > limit/5*2
	}
	return use.live > limit/2
}

const (
	// quietFor is for how long nothing much may have happened before memory is given back.
	quietFor = 15 * time.Second
	// worthwhile is how much more than after the last time has to be there to give back.
	worthwhile = 64 << 20
)

// giveBack is the pure decision whether memory is given back to the system, which costs a collection: no garbage has been
// collected for a while, because not much is going on, and much more is taken than after the last time.
func giveBack(now, before memoryUse, quiet time.Duration, least int64) bool {
	return now.count == before.count && quiet >= quietFor && now.taken > least+worthwhile
}

// keepMemory follows how much memory the process takes, until ctx ends.
func (c *Cluster) keepMemory(ctx context.Context, relieve func(short bool)) error {
	ticker := c.options.Clock.NewTicker(memoryEvery)
	defer ticker.Stop()
	limit := debug.SetMemoryLimit(-1)
	before, short := useOfMemory(), false
	least, quiet := before.taken, c.options.Clock.Now()
	for {
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return nil
		}
		use, now := useOfMemory(), c.options.Clock.Now()
		if is := shortOfMemory(use, limit, short); is != short {
			short = is
			message := "memory is short"
			if !short {
				message = "memory is no longer short"
			}
			c.options.Logger.Warn(message, "component", "cluster", "live", use.live, "limit", limit)
			relieve(short)
		}
		if use.count != before.count {
			before, quiet = use, now
		}
		if giveBack(use, before, now.Sub(quiet), least) {
			debug.FreeOSMemory()
			before, quiet = useOfMemory(), now
			least = before.taken
		}
		least = min(least, use.taken)
	}
}

// useOfMemory asks Go's runtime.
func useOfMemory() memoryUse {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
	}
	metrics.Read(samples)
	return memoryUse{
		live:  int64(samples[0].Value.Uint64()),
		taken: int64(samples[1].Value.Uint64() - samples[2].Value.Uint64()),
		count: samples[3].Value.Uint64(),
	}
}
