package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary stand in for minik in the scripts of testdata/script.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"minik": main})
}

// TestScripts runs each script with a home of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			home := env.WorkDir + "/home"
			env.Setenv("HOME", home)
			env.Setenv("USERPROFILE", home)
			env.Setenv("MINIK_HOME", "")
			env.Setenv("SUDO_UID", "")
			env.Setenv("KUBECONFIG", env.WorkDir+"/not-to-be-used")
			return os.MkdirAll(home, 0o755)
		},
	})
}
