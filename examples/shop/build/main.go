// Command build makes the image minik.dev/shop:1 of the program in examples/shop/image on the Docker engine that
// `minik up` would take, without a registry: a static Go program, alone in an image. Without an engine it says so and is
// content, for simulated containers need no image.
//
// With the docker command the same is:
//
//	CGO_ENABLED=0 GOOS=linux go build -o shop ./examples/shop/image
//	tar -c shop | docker import --change 'ENTRYPOINT ["/shop"]' - minik.dev/shop:1
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"minik.dev/kubelet/docker"
)

const (
	image    = "minik.dev/shop:1"
	source   = "minik.dev/examples/shop/image"
	patience = 5 * time.Second // for the engine's answer
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "the shop's image:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context) (err error) {
	connecting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	engine, err := docker.Connect(connecting)
	if err != nil {
		fmt.Printf("no image for the shop, its containers are simulated: %v\n", err)
		return nil
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	program, err := compile(ctx, engine.Arch())
	if err != nil {
		return err
	}
	made, err := engine.ImportProgram(ctx, image, "shop", program)
	switch {
	case err != nil:
		return err
	case made:
		fmt.Printf("made image %s (%d KiB) on %s\n", image, len(program)>>10, engine.Describe())
	default:
		fmt.Printf("image %s is on %s already\n", image, engine.Describe())
	}
	return nil
}

// compile is the shop's program for Linux on that architecture, without anything that it would need from an image.
func compile(ctx context.Context, arch string) (program []byte, err error) {
	dir, err := os.MkdirTemp("", "minik-shop-")
	if err != nil {
		return nil, fmt.Errorf("making a place for the program: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "shop")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, source)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building %s: %w\n%s", source, err, out)
	}
	if program, err = os.ReadFile(path); err != nil {
		return nil, fmt.Errorf("reading the program: %w", err)
	}
	return program, nil
}
