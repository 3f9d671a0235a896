//go:build unix

package main

import (
	"os"
	"syscall"
)

// background takes a process out of the terminal's session, so that closing the terminal or Ctrl-C does not reach it.
func background() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// terminate asks a process to end tidily.
func terminate(process *os.Process) error { return process.Signal(syscall.SIGTERM) }
