//go:build unix

package main

import (
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"

	"minik.dev/terminal"
)

// columns is `columns N COMMAND…`: on a terminal of N columns the command prints no line that is wider, with the home directory, whose
// path is longer here than anybody's, as "~". What it prints is then on stdout.
func columns(ts *testscript.TestScript, _ bool, args []string) {
	width, err := strconv.Atoi(args[0])
	ts.Check(err)
	path := ""
	for _, dir := range strings.Split(ts.Getenv("PATH"), ":") {
		if found, err := exec.LookPath(dir + "/" + args[1]); err == nil {
			path = found
			break
		}
	}
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = append(cmd.Env, "PATH="+ts.Getenv("PATH"), "HOME="+ts.Getenv("HOME"), "TERM=xterm-256color")
	out, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: uint16(width), Rows: 24})
	ts.Check(err)
	defer out.Close()
	printed, err := io.ReadAll(out)
	if err != nil && !errors.Is(err, syscall.EIO) { // which is how Linux says that nobody has the terminal open any more
		ts.Fatalf("reading the terminal: %v", err)
	}
	text := strings.ReplaceAll(string(printed), "\r\n", "\n")
	_, err = io.WriteString(ts.Stdout(), text)
	ts.Check(err)
	if err := cmd.Wait(); err != nil {
		ts.Fatalf("%s: %v: %s", strings.Join(args[1:], " "), err, text)
	}
	for _, line := range strings.Split(strings.ReplaceAll(text, ts.Getenv("HOME"), "~"), "\n") {
		if terminal.Len(line) > width {
			ts.Fatalf("%q is wider than %d columns", line, width)
		}
	}
}
