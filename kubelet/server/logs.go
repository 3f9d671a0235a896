package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/images"
	"minik.dev/kubelet/runtime"
)

// serveLogs streams a container's log, with upstream's parameters and error texts.
func (s *Server) serveLogs(w http.ResponseWriter, r *http.Request) {
	request, err := parseLogRequest(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	pod := s.options.Pods.Find(r.PathValue("namespace"), r.PathValue("pod"))
	if pod == nil {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return
	}
	name := r.PathValue("container")
	if runtime.ContainerOf(pod, name) == nil {
		http.Error(w, "container not found in pod", http.StatusNotFound)
		return
	}
	id, err := logContainer(pod, name, request.previous)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out := &logWriter{w: w, left: request.limit}
	out.flusher, _ = w.(http.Flusher)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out.full = cancel
	w.Header().Set("Content-Type", "text/plain")
	if err := s.options.Runtime.Logs(ctx, id, request.options(s.options.Clock.Now()), out); err != nil && ctx.Err() == nil {
		if out.wrote {
			s.log.Warn("a log was cut short", "container", name, "pod", pod.Name, "namespace", pod.Namespace, "error", err)
			return
		}
		status := http.StatusInternalServerError
		if errors.Is(err, runtime.ErrNotFound) {
			status = http.StatusBadRequest
			err = fmt.Errorf("unable to retrieve container logs for %s", id)
		}
		http.Error(w, err.Error(), status)
	}
}

// logWriter passes on at most left bytes, each piece at once.
type logWriter struct {
	w       http.ResponseWriter
	flusher http.Flusher
	left    int64 // negative means no limit
	wrote   bool
	full    func()
}

func (l *logWriter) Write(p []byte) (int, error) {
	n := len(p)
	if l.left >= 0 && int64(n) > l.left {
		p = p[:l.left]
	}
	if _, err := l.w.Write(p); err != nil {
		return 0, err
	}
	l.wrote = true
	if l.flusher != nil {
		l.flusher.Flush()
	}
	if l.left >= 0 {
		if l.left -= int64(len(p)); l.left == 0 {
			l.full()
		}
	}
	return n, nil
}

// logRequest is what a client asks of a log.
type logRequest struct {
	follow, previous, timestamps bool
	tail, limit                  int64 // negative means all
	since                        time.Time
	sinceSeconds                 int64
}

func (r logRequest) options(now time.Time) runtime.LogOptions {
	o := runtime.LogOptions{Follow: r.follow, Timestamps: r.timestamps, Tail: r.tail, Since: r.since}
	if r.sinceSeconds > 0 {
		o.Since = now.Add(-time.Duration(r.sinceSeconds) * time.Second)
	}
	return o
}

// parseLogRequest reads the query; a parameter that makes no sense is an error that names it.
func parseLogRequest(query url.Values) (logRequest, error) {
	out := logRequest{tail: -1, limit: -1}
	for key := range query {
		value, err := query.Get(key), error(nil)
		switch key {
		case "follow":
			out.follow, err = parseBool(value)
		case "previous":
			out.previous, err = parseBool(value)
		case "timestamps":
			out.timestamps, err = parseBool(value)
		case "tailLines":
			out.tail, err = parseAtLeast(value, 0)
		case "limitBytes":
			out.limit, err = parseAtLeast(value, 1)
		case "sinceSeconds":
			out.sinceSeconds, err = parseAtLeast(value, 1)
		case "sinceTime":
			out.since, err = time.Parse(time.RFC3339, value)
		case "stream":
			if value != "" && value != corev1.LogStreamAll {
				err = errors.New("only the stream All is kept")
			}
		}
		if err != nil {
			return out, fmt.Errorf("log parameter %s=%q: %w", key, value, err)
		}
	}
	return out, nil
}

func parseBool(s string) (bool, error) {
	if s == "" {
		return false, nil
	}
	return strconv.ParseBool(s)
}

func parseAtLeast(s string, least int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && n < least {
		err = fmt.Errorf("must be greater than or equal to %d", least)
	}
	return n, err
}

// logContainer is the ID of the container whose log is meant, or upstream's sentence about why there is none.
func logContainer(pod *corev1.Pod, name string, previous bool) (string, error) {
	var status *corev1.ContainerStatus
	for _, s := range runtime.StatusesOf(pod.Status) {
		if s.Name == name {
			status = &s
		}
	}
	if status == nil {
		return "", fmt.Errorf("container %q in pod %q is not available", name, pod.Name)
	}
	waiting, last := status.State.Waiting, status.LastTerminationState.Terminated
	switch {
	case previous && (last == nil || last.ContainerID == ""):
		return "", fmt.Errorf("previous terminated container %q in pod %q not found", name, pod.Name)
	case previous:
		return last.ContainerID, nil
	case status.State.Running != nil:
		return status.ContainerID, nil
	case status.State.Terminated != nil && status.State.Terminated.ContainerID != "":
		return status.State.Terminated.ContainerID, nil
	case last != nil && last.ContainerID != "":
		return last.ContainerID, nil
	case waiting == nil:
		return "", fmt.Errorf("container %q in pod %q is waiting to start - no logs yet", name, pod.Name)
	}
	return "", fmt.Errorf("container %q in pod %q is waiting to start: %s", name, pod.Name, images.WaitingSentence(waiting.Reason))
}
