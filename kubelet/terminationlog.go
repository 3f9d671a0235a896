package kubelet

import (
	"context"
	"io"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// How much of a container's last words is reported, as upstream does.
const (
	longestMessage = 4096
	fallbackLines  = 80
	fallbackBytes  = 2048
)

// lastWords gives the containers that have ended the message that they left in their termination log, or where they ask
// for it and have failed, the end of their log.
func (s *session) lastWords(ctx context.Context, e *entry, running RuntimePod) {
	dir := s.podDir(running.UID)
	if dir == "" {
		return
	}
	for i := range running.Containers {
		c := &running.Containers[i]
		if c.State != Exited || c.Message != "" {
			continue
		}
		e.mu.Lock()
		words, known := e.words[c.ID]
		spec := containerOf(e.pod, c.Name)
		e.mu.Unlock()
		if !known && spec != nil {
			words = s.readWords(ctx, terminationFile(dir, c.Name, c.Attempt), spec, *c)
			e.mu.Lock()
			e.words[c.ID] = words
			e.mu.Unlock()
		}
		c.Message = words
	}
}

func (s *session) readWords(ctx context.Context, path string, spec *corev1.Container, c Container) string {
	if file, err := os.Open(path); err == nil {
		words, _ := io.ReadAll(io.LimitReader(file, longestMessage)) // what could be read is better than nothing
		_ = file.Close()
		if len(words) > 0 {
			return text(words)
		}
	}
	if spec.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError || c.ExitCode == 0 {
		return ""
	}
	var log newest
	if err := s.options.Runtime.Logs(ctx, c.ID, LogOptions{Tail: fallbackLines}, &log); err != nil {
		s.log.Debug("a log was not read for the termination message", "container", c.ID, "error", err)
	}
	return text(log)
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
