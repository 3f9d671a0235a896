package cluster

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The smallest bound of all cgroups around the process counts, in either version, and the machine's memory where there is none.
func TestMemoryLimit(t *testing.T) {
	files := func(of map[string]string) readFile {
		return func(name string) ([]byte, error) {
			if text, ok := of[name]; ok {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("not there")}
		}
	}
	for name, c := range map[string]struct {
		files          map[string]string
		group, machine int64
		want           int64
	}{
		"nothing is known": {nil, 0, 0, 0},
		"no bound":         {map[string]string{"/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/memory.max": "max\n", "/proc/meminfo": "MemTotal: 1000 kB\n"}, 0, 1000 << 10, 768000},
		"version 2, the outer one is smaller": {map[string]string{"/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "900000\n",
			"/sys/fs/cgroup/a/memory.max": "400000\n"}, 400000, 0, 340000},
		"version 1": {map[string]string{"/proc/self/cgroup": "5:cpu:/c\n4:memory:/m\n",
			"/sys/fs/cgroup/memory/m/memory.limit_in_bytes": "100000\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"},
			100000, 0, 85000},
		"version 1 without a bound": {map[string]string{"/proc/self/cgroup": "4:memory:/\n",
			"/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0, 0, 0},
		"a container sees its own group as the root": {map[string]string{"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "100000"},
			100000, 0, 85000},
		"more than the machine has": {map[string]string{"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "99000000",
			"/proc/meminfo": "MemFree: 1 kB\nMemTotal: 1000 kB\n"}, 99000000, 1000 << 10, 768000},
	} {
		t.Run(name, func(t *testing.T) {
			group, machine := groupMemory(files(c.files)), machineMemory(files(c.files))
			require.Equal(t, c.group, group)
			require.Equal(t, c.machine, machine)
			require.Equal(t, c.want, memoryLimit(group, machine))
		})
	}
}

// Memory is short from half of the limit on, and is no more when there is clearly less.
func TestShortOfMemory(t *testing.T) {
	for _, c := range []struct {
		live         int64
		before, want bool
	}{{50, false, false}, {51, false, true}, {45, true, true}, {40, true, false}} {
		require.Equal(t, c.want, shortOfMemory(memoryUse{live: c.live}, 100, c.before), "%+v", c)
	}
}

// What a busy time took is given back once it is over, and not again and again.
func TestGiveBack(t *testing.T) {
	busy := memoryUse{taken: 500 << 20, count: 7}
	require.True(t, giveBack(busy, busy, quietFor, 100<<20))
	require.False(t, giveBack(memoryUse{taken: 500 << 20, count: 8}, busy, quietFor, 100<<20), "there is something going on")
	require.False(t, giveBack(busy, busy, quietFor-time.Second, 100<<20), "there was a moment ago")
	require.False(t, giveBack(busy, busy, quietFor, 450<<20), "there is not much to give")
}

// What the runtime says of itself is there.
func TestUseOfMemory(t *testing.T) {
	use := useOfMemory()
	require.Positive(t, use.live)
	require.Greater(t, use.taken, use.live)
}
