package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"minik.dev/cluster"
)

// options are what is asked for on the command line.
type options struct {
	runtime, focus, doc, work string
	procs                     int
	limit, timeout            time.Duration
	images                    bool
}

func main() {
	var o options
	flag.StringVar(&o.runtime, "runtime", "sim", "what runs the containers: docker or sim")
	flag.StringVar(&o.focus, "focus", "", "a regular expression; only conformance specs whose text it matches are run")
	flag.StringVar(&o.doc, "doc", "../docs/conformance.md", "the page that keeps the last tables; a run with a focus writes none")
	flag.StringVar(&o.work, "work", "../bin/conformance", "directory of what is built and reported")
	flag.IntVar(&o.procs, "procs", 4, "how many specs run at once, but for those that must run alone")
	flag.DurationVar(&o.limit, "limit", 10*time.Minute, "how long one spec may take; some wait five minutes for what must not come")
	flag.DurationVar(&o.timeout, "timeout", 3*time.Hour, "how long the specs that run together may take, and those that run alone")
	flag.BoolVar(&o.images, "images", false, "make the images that the suite asks for, for a machine without a registry")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run does everything in order. Specs that fail are what is to be found out, and no error.
func (o options) run(ctx context.Context) error {
	focus, err := regexp.Compile(o.focus)
	if err != nil {
		return fmt.Errorf("-focus: %w", err)
	}
	if o.work, err = filepath.Abs(o.work); err != nil {
		return fmt.Errorf("finding the working directory: %w", err)
	}
	fmt.Println("building the suite; the first time it takes some minutes")
	programs, err := buildPrograms(ctx, o.work)
	if err != nil {
		return err
	}
	if o.images {
		if err := makeImages(ctx, filepath.Join(o.work, "images")); err != nil {
			return err
		}
	}
	var reports []report
	began := time.Now()
	err = onCluster(ctx, o.runtime, o.work, func(kubeconfig string) error {
		var err error
		reports, err = o.runSuite(ctx, programs, kubeconfig)
		return err
	})
	if err != nil {
		return err
	}
	result := tabulate(reports, focus)
	text := result.markdown(about{runtime: o.runtime, when: began, took: time.Since(began), limit: o.limit})
	fmt.Println(text)
	if o.focus != "" {
		return nil
	}
	return rewriteSection(o.doc, o.runtime, text)
}

// nodes is how many the cluster has: some specs want two.
const nodes = 2

// onCluster runs a cluster as long as do does.
func onCluster(ctx context.Context, runtime, work string, do func(kubeconfig string) error) error {
	logFile, err := os.Create(filepath.Join(work, "minik.log"))
	if err != nil {
		return fmt.Errorf("making the log of the cluster: %w", err)
	}
	defer func() { _ = logFile.Close() }()
	logger := slog.New(slog.NewTextHandler(logFile, nil))
	klog.SetSlogLogger(logger)
	c, err := cluster.New(cluster.Options{Ephemeral: true, Listen: "127.0.0.1:0", Runtime: runtime, Nodes: nodes, Logger: logger})
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	select {
	case <-c.Ready():
	case err := <-ended:
		return fmt.Errorf("starting the cluster: %w", err)
	}
	fmt.Println("a cluster runs, containers by", c.Runtime())
	err = do(c.Kubeconfig())
	end()
	return errors.Join(err, <-ended)
}
