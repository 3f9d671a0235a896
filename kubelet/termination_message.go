package kubelet

import (
	"context"
	"io"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"minik.dev/kubelet/poddir"
	"minik.dev/kubelet/runtime"
)

// How much of a container's last words is reported, as upstream does.
const (
	longestMessage = 4096
	fallbackLines  = 80
	fallbackBytes  = 2048
)

// lastWords gives the containers that have ended the message that they left in their termination log, or where they ask
// for it and have failed, the end of their log.
func (s *session) lastWords(ctx context.Context, e *podState, running runtime.Pod) {
	if s.options.Dir == "" {
		return
	}
	for i := range running.Containers {
		c := &running.Containers[i]
		if c.State != runtime.Exited || c.Message != "" {
			continue
		}
		e.mu.Lock()
		words, known := e.words[c.ID]
		spec := runtime.ContainerOf(e.pod, c.Name)
		e.mu.Unlock()
		if !known && spec != nil {
			words = s.readWords(ctx, running.UID, spec, *c)
			e.mu.Lock()
			e.words[c.ID] = words
			e.mu.Unlock()
		}
		c.Message = words
	}
}

func (s *session) readWords(ctx context.Context, uid types.UID, spec *corev1.Container, c runtime.Container) string {
	if words := s.leftWords(uid, c); len(words) > 0 {
		return text(words)
	}
	if spec.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError || c.ExitCode == 0 {
		return ""
	}
	var log newest
	if err := s.options.Runtime.Logs(ctx, c.ID, runtime.LogOptions{Tail: fallbackLines}, &log); err != nil {
		s.log.Debug("a log was not read for the termination message", "container", c.ID, "error", err)
	}
	return text(log)
}

// leftWords is the beginning of what the container has written to its termination log. What is there instead of the file that
// it was given says nothing.
func (s *session) leftWords(uid types.UID, c runtime.Container) []byte {
	home, err := os.OpenRoot(s.podDir(uid))
	if err != nil {
		return nil
	}
	defer func() { _ = home.Close() }()
	file, err := poddir.OpenRegular(home, terminationFile("", c.Name, c.Attempt))
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	words, _ := io.ReadAll(io.LimitReader(file, longestMessage)) // what could be read is better than nothing
	return words
}

// text is what can be told over the API, which is UTF-8 only.
func text(words []byte) string { return strings.ToValidUTF8(string(words), "\uFFFD") }

// newest keeps the last fallbackBytes that were written to it.
type newest []byte

func (n *newest) Write(p []byte) (int, error) {
	kept := append(*n, p[max(0, len(p)-fallbackBytes):]...)
	*n = append(kept[:0], kept[max(0, len(kept)-fallbackBytes):]...)
	return len(p), nil
}
