package passthrough

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Log passes a container's log on from the kubelet of the pod's node. What the query asks for has no LogMistakes.
func (p *Passthrough) Log(c *Call, pod *corev1.Pod) error {
	container, err := LogContainer(pod, c.URL.Query().Get("container"))
	if err != nil {
		return err
	}
	if pod.Spec.NodeName == "" {
		return apierrors.NewBadRequest(fmt.Sprintf("pod %s does not have a host assigned", pod.Name))
	}
	base, err := p.kubeletURL(pod.Spec.NodeName)
	if err != nil {
		return err
	}
	query := c.URL.Query()
	query.Del("container")
	path := fmt.Sprintf("%s/containerLogs/%s/%s/%s", base, url.PathEscape(pod.Namespace), url.PathEscape(pod.Name),
		url.PathEscape(container))
	ask, err := http.NewRequestWithContext(c.Context(), http.MethodGet, path+"?"+query.Encode(), nil)
	if err != nil {
		return unreachable("asking the kubelet of %s: %w", pod.Spec.NodeName, err)
	}
	answer, err := p.kubelets.RoundTrip(ask)
	if err != nil {
		return unreachable("asking the kubelet of %s for the log of %s: %w", pod.Spec.NodeName, container, err)
	}
	defer func() { _ = answer.Body.Close() }() // everything there is has been read
	if answer.StatusCode != http.StatusOK {
		return kubeletError(answer)
	}
	if websocket.IsWebSocketUpgrade(c.Request) {
		p.logSocket(c, answer.Body)
		return nil
	}
	copyLog(c.W, answer.Body)
	return nil
}

// LogMistakes are the numbers that ask for no log there could be.
func LogMistakes(query url.Values) field.ErrorList {
	var errs field.ErrorList
	for _, name := range []string{"tailLines", "limitBytes", "sinceSeconds"} {
		text, least := query.Get(name), int64(1)
		if name == "tailLines" {
			least = 0
		}
		n, err := strconv.ParseInt(text, 10, 64)
		switch path := field.NewPath(name); {
		case text == "":
		case err != nil:
			errs = append(errs, field.Invalid(path, text, err.Error()))
		case n < least && least == 0:
			errs = append(errs, field.Invalid(path, n, "must be greater than or equal to 0"))
		case n < least:
			errs = append(errs, field.Invalid(path, n, "must be greater than 0"))
		}
	}
	if query.Get("sinceSeconds") != "" && query.Get("sinceTime") != "" {
		errs = append(errs, field.Forbidden(field.NewPath(""), "at most one of `sinceTime` or `sinceSeconds` may be specified"))
	}
	return errs
}

// copyLog copies piece by piece, so that a log that is followed arrives line by line.
func copyLog(w http.ResponseWriter, from io.Reader) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	if out.Flush() != nil {
		return
	}
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			if _, err := w.Write(piece[:n]); err != nil {
				return
			}
			if out.Flush() != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// kubeletError passes on what the kubelet says.
func kubeletError(answer *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return unreachable("reading the kubelet's answer: %w", err)
	}
	var status apierrors.StatusError
	if json.Unmarshal(body, &status.ErrStatus) == nil && status.ErrStatus.Status == metav1.StatusFailure {
		return &status
	}
	message := strings.TrimSpace(string(body))
	switch answer.StatusCode {
	case http.StatusBadRequest:
		return apierrors.NewBadRequest(message)
	case http.StatusNotFound:
		e := apierrors.NewNotFound(schema.GroupResource{Resource: "pods/log"}, "")
		e.ErrStatus.Message = message
		return e
	default:
		return unreachable("the kubelet answered %s: %s", answer.Status, message)
	}
}

// LogContainer picks the container whose log is asked for, and words what is wrong as upstream does.
func LogContainer(pod *corev1.Pod, name string) (string, error) {
	var all, init, ephemeral []string
	for _, c := range pod.Spec.Containers {
		all = append(all, c.Name)
	}
	for _, c := range pod.Spec.InitContainers {
		init = append(init, c.Name)
	}
	for _, c := range pod.Spec.EphemeralContainers {
		ephemeral = append(ephemeral, c.Name)
	}
	if name == "" {
		if len(all) == 1 {
			return all[0], nil
		}
		return "", apierrors.NewBadRequest(fmt.Sprintf(
			"a container name must be specified for pod %s, choose one of: %v", pod.Name, all))
	}
	for _, c := range slices.Concat(all, init, ephemeral) {
		if c == name {
			return name, nil
		}
	}
	return "", apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", name, pod.Name))
}
