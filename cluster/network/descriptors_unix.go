//go:build unix

package network

import "syscall"

// descriptorLimit is how many descriptors this process may have; 0 where that is not known. Go has raised it already as far as it
// goes.
func descriptorLimit() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<30))
}
