package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
)

// A detached cluster is a second process of the same program with the same arguments. Its standard output is a pipe to
// the first one, which copies it to the terminal. The last byte in the pipe says how it went: detachedReady, and the
// first process ends while the second one runs on; detachedRefused the same, before how many objects were refused;
// detachedFailed after an error's text. Where the pipe ends without any, the second process died.
const (
	detachedEnv     = "MINIK_DETACHED"
	detachedReady   = '\x04'
	detachedRefused = '\x18'
	detachedFailed  = '\x15'
)

// detached reports whether this is the second process.
func detached() bool { return os.Getenv(detachedEnv) != "" }

// startDetached is the first process: it starts the second and returns when that is ready or has failed.
func startDetached(home *home, out io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("going to the background: finding this program: %w", err)
	}
	log, err := openLog(home)
	if err != nil {
		return fmt.Errorf("starting in data dir %s: %w", home.dataDir, err)
	}
	defer func() { _ = log.Close() }()

	cmd := exec.Command(program, os.Args[1:]...)
	cmd.Env = append(os.Environ(), detachedEnv+"=1")
	cmd.Stdin = os.Stdin // for -f -
	cmd.Stderr = log
	cmd.SysProcAttr = background()
	progress, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("going to the background: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("going to the background: %w", err)
	}
	signal.Ignore(syscall.SIGPIPE) // whoever reads along (head) may stop; the cluster starts all the same
	interrupted := passOn(cmd.Process)
	defer interrupted()
	switch ready, refused, failure := copyProgress(out, progress); {
	case ready && refused > 0:
		return errors.Join(refusedError(refused), cmd.Process.Release())
	case ready:
		return cmd.Process.Release()
	case failure != "":
		_ = cmd.Wait() // its error has come through the pipe
		return errors.New(failure)
	}
	_ = cmd.Wait() // what matters is that it has ended
	if interrupted() {
		return errors.New("interrupted before everything was ready: the cluster has ended, its data stays")
	}
	return fmt.Errorf("the cluster ended before it was ready (%s): see %s", cmd.ProcessState, filepath.Clean(home.logFile()))
}

// passOn lets the second process end when the first one is told to, for it is in no terminal that Ctrl-C could reach it
// through. The returned function ends that, and says whether it has happened.
func passOn(process *os.Process) (interrupted func() bool) {
	signals, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	unhook := context.AfterFunc(signals, func() { _ = terminate(process) }) // where that fails it has ended already
	return func() bool {
		happened := !unhook()
		stop()
		return happened
	}
}

// copyProgress copies what the second process prints until its last byte says how it went: the cluster is ready, although so
// many objects were refused, or it failed.
func copyProgress(out io.Writer, progress io.Reader) (ready bool, refused int, failure string) {
	buffer := make([]byte, 4096)
	for {
		n, err := progress.Read(buffer)
		text := buffer[:n]
		if before, _, found := bytes.Cut(text, []byte{detachedReady}); found {
			_, _ = out.Write(before)
			return true, 0, ""
		}
		if before, after, found := bytes.Cut(text, []byte{detachedRefused}); found {
			_, _ = out.Write(before)
			rest, _ := io.ReadAll(progress)
			refused, _ = strconv.Atoi(string(append(bytes.Clone(after), rest...))) // leaveTerminal's own
			return true, refused, ""
		}
		if before, after, found := bytes.Cut(text, []byte{detachedFailed}); found {
			_, _ = out.Write(before)
			rest, _ := io.ReadAll(progress)
			return false, 0, string(append(bytes.Clone(after), rest...))
		}
		_, _ = out.Write(text)
		if err != nil {
			return false, 0, ""
		}
	}
}

// leaveTerminal is the second process saying that it is ready, and how many objects were refused; nothing is printed after it.
func leaveTerminal(out io.Writer, refused int) error {
	last := string(detachedReady)
	if refused > 0 {
		last = string(detachedRefused) + strconv.Itoa(refused)
	}
	if _, err := io.WriteString(out, last); err != nil {
		return fmt.Errorf("telling the terminal that the cluster is ready: %w", err)
	}
	if file, ok := out.(*os.File); ok {
		return file.Close()
	}
	return nil
}

// reportDetached is the second process saying why it failed. Once it has left the terminal, there is nobody to tell.
func reportDetached(out io.Writer, err error) {
	if err != nil {
		_, _ = fmt.Fprintf(out, "%c%v", detachedFailed, err)
	}
}
