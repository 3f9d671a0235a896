package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	kubectl "k8s.io/kubectl/pkg/cmd"
)

// minik's own verbs never share a name with one of kubectl's: `minik VERB` would mean two things.
func TestVerbsDifferFromKubectls(t *testing.T) {
	streams := genericiooptions.NewTestIOStreamsDiscard()
	theirs := map[string]bool{"help": true}
	for _, cmd := range kubectl.NewKubectlCommand(kubectl.KubectlOptions{IOStreams: streams}).Commands() {
		for _, name := range append(cmd.Aliases, cmd.Name()) {
			theirs[name] = true
		}
	}
	require.Contains(t, theirs, "get")

	root, _, _ := newRoot(streams)
	ours := 0
	for _, verb := range root.Commands() {
		if _, own := verb.Annotations[ownVerb]; !own {
			continue
		}
		ours++
		for _, name := range append(verb.Aliases, verb.Name()) {
			require.NotContains(t, theirs, name)
		}
	}
	require.Greater(t, ours, 10)
}

// Exit codes: 0 done, 1 failed, 2 wrong usage.
func TestExitCodes(t *testing.T) {
	var out strings.Builder
	require.Equal(t, 0, report(&out, nil))
	require.Empty(t, out.String())
	require.Equal(t, 1, report(&out, errors.New("no luck")))
	require.Equal(t, 2, report(&out, errors.Join(usageError{message: "no such flag", command: "minik up"})))
	require.Equal(t, "minik: no luck\nminik: no such flag\nSee 'minik up --help' for usage.\n", out.String())
}

// Under sudo the files belong to the caller; root itself has no caller.
func TestSudoCaller(t *testing.T) {
	env := func(uid, gid string) func(string) string {
		return func(name string) string { return map[string]string{"SUDO_UID": uid, "SUDO_GID": gid}[name] }
	}
	require.Equal(t, &owner{uid: 1000, gid: 100}, sudoCaller(0, env("1000", "100")))
	require.Nil(t, sudoCaller(0, env("", "")), "root without sudo")
	require.Nil(t, sudoCaller(0, env("0", "0")), "root called sudo")
	require.Nil(t, sudoCaller(1000, env("1000", "100")), "sudo -u someone: root made nothing")
}
