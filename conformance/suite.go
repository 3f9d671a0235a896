package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/onsi/ginkgo/v2/types"

	"minik.dev/apiserver"
)

// report is what one run of ginkgo says.
type report = types.Report

// programs are the paths of what is run.
type programs struct{ suite, ginkgo, kubectl string }

// buildPrograms builds the suite, the program that runs it in parallel, and upstream's kubectl, which its specs call.
func buildPrograms(ctx context.Context, work string) (programs, error) {
	p := programs{
		suite: filepath.Join(work, "conformance.test"), ginkgo: filepath.Join(work, "ginkgo"), kubectl: filepath.Join(work, "kubectl"),
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return p, fmt.Errorf("making the working directory: %w", err)
	}
	for _, build := range [][]string{
		{"test", "-c", "-vet=off", "-o", p.suite, "./suite"},
		{"build", "-o", p.ginkgo, "github.com/onsi/ginkgo/v2/ginkgo"},
		{"build", "-ldflags=-X k8s.io/component-base/version.gitVersion=" + apiserver.KubernetesVersion, "-o", p.kubectl,
			"k8s.io/kubernetes/cmd/kubectl"},
	} {
		if err := run(ctx, nil, "go", build...); err != nil {
			return p, err
		}
	}
	return p, nil
}

// run runs a program, whose output is ours, with more environment.
func run(ctx context.Context, env []string, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// It ends what it has begun when it is told to.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s %s: %w", filepath.Base(program), args[0], err)
	}
	return nil
}

// runSuite runs first what can run together and then what must run alone, and returns both reports.
func (o options) runSuite(ctx context.Context, p programs, kubeconfig string) ([]report, error) {
	var reports []report
	for _, pass := range []struct {
		name, labels string
		procs        int
	}{
		{"parallel", "Conformance && !Serial", o.procs},
		{"serial", "Conformance && Serial", 1},
	} {
		dir := filepath.Join(o.work, o.runtime, pass.name)
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("removing the last report: %w", err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("making the directory of the report: %w", err)
		}
		args := []string{"run", "--label-filter=" + pass.labels, fmt.Sprintf("--procs=%d", pass.procs), "--timeout=" + o.timeout.String(),
			"--silence-skips", "--succinct", "--no-color", "--keep-going", "--output-dir=" + dir, "--json-report=report.json"}
		if o.focus != "" {
			args = append(args, "--focus="+o.focus)
		}
		args = append(args, p.suite, "--", "--spec-limit="+o.limit.String(), "--provider=skeleton", "--kubeconfig="+kubeconfig,
			"--kubectl-path="+p.kubectl, fmt.Sprintf("--num-nodes=%d", nodes), "--dump-logs-on-failure=false",
			"--disable-log-dump=true")
		output, err := os.Create(filepath.Join(dir, "output.txt"))
		if err != nil {
			return nil, fmt.Errorf("making the file of the specs' output: %w", err)
		}
		fmt.Printf("running the %s specs; what they say is in %s\n", pass.name, output.Name())
		err = ginkgo(ctx, output, p.ginkgo, args)
		if err = errors.Join(err, output.Close()); err != nil {
			return nil, err
		}
		pass, err := readReport(filepath.Join(dir, "report.json"))
		if err != nil {
			return nil, err
		}
		reports = append(reports, pass...)
	}
	return reports, nil
}

// ginkgo runs it; that specs fail is its exit code 1, and no error.
func ginkgo(ctx context.Context, output *os.File, program string, args []string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 && ctx.Err() == nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("running the specs: %w; %s has what they said", err, output.Name())
	}
	return nil
}

func readReport(path string) ([]report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading what the specs found: %w", err)
	}
	var reports []report
	if err := json.Unmarshal(text, &reports); err != nil {
		return nil, fmt.Errorf("reading what the specs found, %s: %w", path, err)
	}
	return reports, nil
}
