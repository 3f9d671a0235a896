package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// typed are the examples whose first lines are typed, line by line, on a cluster of their own, because they show what is
// printed then.
var typed = map[string]bool{
	"24-spread.yaml": true, "25-affinity.yaml": true, "26-taints.yaml": true, "27-gpu-packing.yaml": true,
	"28-priority-preemption.yaml": true,
}

// What an example says to type can be typed, and what it says is printed is printed.
func TestExamplesAsTyped(t *testing.T) {
	folder, err := filepath.Abs(examples)
	require.NoError(t, err)
	scripts := t.TempDir()
	var files []string
	for name := range typed {
		file := filepath.Join(scripts, strings.TrimSuffix(name, ".yaml")+".txtar")
		require.NoError(t, os.WriteFile(file, []byte("type "+name+"\n"), 0o600))
		files = append(files, file)
	}
	testscript.Run(t, testscript.Params{
		Files: files,
		Setup: func(env *testscript.Env) error {
			home := env.WorkDir + "/home"
			env.Setenv("HOME", home)
			env.Setenv("USERPROFILE", home)
			env.Setenv("MINIK_HOME", "")
			env.Setenv("SUDO_UID", "")
			env.Setenv("KUBECONFIG", env.WorkDir+"/not-to-be-used")
			env.Defer(func() { endDetached(env) })
			if err := os.Symlink(folder, filepath.Join(env.WorkDir, "examples")); err != nil {
				return err
			}
			return os.MkdirAll(home, 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"type": typeExample},
	})
}

// typeExample is `type FILE`: it types what the example's first lines say.
func typeExample(ts *testscript.TestScript, _ bool, args []string) {
	commands, err := commandsOf(ts.ReadFile(filepath.Join("examples", args[0])))
	ts.Check(err)
	for _, c := range commands {
		ts.Check(ts.Exec("minik", c.args...))
		if printed := ts.ReadFile("stdout"); c.shown != "" && !patternOf(c.shown).MatchString(printed) {
			ts.Fatalf("minik %s shall print\n%s\nand prints\n%s", strings.Join(c.args, " "), c.shown, printed)
		}
	}
}

// command is what to type, and what is printed then, as patternOf reads it: some of the lines, in their order.
type command struct {
	args  []string
	shown string // "" where nothing is shown
}

// Of a comment's lines, those with the first indent are to be typed, and those with the second are printed.
const (
	typedIndent = "#   minik "
	shownIndent = "#       "
	// more stands for any lines; patternOf takes it within a line too.
	more = "…\n"
)

// commandsOf reads them off an example's first lines. Its cluster is made of simulated containers, in the background.
func commandsOf(text string) ([]command, error) {
	var out []command
	shows := 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, "#") {
			break
		}
		if rest, ok := strings.CutPrefix(line, typedIndent); ok {
			c := command{args: strings.Fields(rest)}
			if c.args[0] == "up" {
				c.args = append(c.args, "--runtime", "sim", "--detach", "--listen", "127.0.0.1:0")
			}
			if c.args[0] == "wait" {
				c.args = append(c.args, "--timeout", patience.String())
			}
			out = append(out, c)
		} else if rest, ok := strings.CutPrefix(line, shownIndent); ok && len(out) > 0 {
			last := &out[len(out)-1]
			if last.shown == "" {
				last.shown = more
			}
			last.shown += rest + "\n" + more
			shows++
		}
	}
	if len(out) < 3 || shows < 3 {
		return nil, fmt.Errorf("its comment says to type %d commands and shows %d lines", len(out), shows)
	}
	return out, nil
}

func TestCommandsOfAnExample(t *testing.T) {
	commands, err := commandsOf(typedIndent + "up --nodes 2\n# words\n" + typedIndent + "why pod/a\n" +
		shownIndent + "one\n" + shownIndent + more + shownIndent + "three " + more +
		typedIndent + "get pods\nkind: Pod\n")
	require.NoError(t, err)
	require.Len(t, commands, 3)
	require.Equal(t, "up", commands[0].args[0])
	require.Equal(t, "--nodes", commands[0].args[1])
	require.Empty(t, commands[2].shown)
	for printed, is := range map[string]bool{
		"zero\none\ntwo\nthree and more\n": true,
		"one\nthree and more\nfour\n":      true,
		"three and more\none\n":            false,
		"one and more\nthree\n":            false,
	} {
		require.Equal(t, is, patternOf(commands[1].shown).MatchString(printed), printed)
	}
	_, err = commandsOf("# nothing to type\n")
	require.Error(t, err)
}
