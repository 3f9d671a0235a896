//go:build !unix

package main

import (
	"os"
	"syscall"
)

// background leaves the process as it is: a child outlives its parent here.
func background() *syscall.SysProcAttr { return nil }

// terminate ends a process at once: this system has no signal that asks. The data is safe, as after a power cut.
func terminate(process *os.Process) error { return process.Kill() }
