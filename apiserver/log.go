package apiserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/api"
)

// log passes a container's log on from the kubelet of the pod's node. It is the one way in which the API server calls
// somebody else.
func (s *Server) log(r *request) error {
	entry, err := s.find(r, true)
	if err != nil {
		return err
	}
	pod := entry.Object.(*corev1.Pod)
	container, err := logContainer(pod, r.URL.Query().Get("container"))
	if err != nil {
		return err
	}
	if mistakes := logMistakes(r.URL.Query()); len(mistakes) > 0 {
		return invalidObject(corev1.SchemeGroupVersion.WithKind("PodLogOptions").GroupKind(), pod.Name, mistakes, false)
	}
	if pod.Spec.NodeName == "" {
		return apierrors.NewBadRequest(fmt.Sprintf("pod %s does not have a host assigned", pod.Name))
	}
	base, err := s.kubeletURL(pod.Spec.NodeName)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	query.Del("container")
	path := fmt.Sprintf("%s/containerLogs/%s/%s/%s", base, url.PathEscape(pod.Namespace), url.PathEscape(pod.Name),
		url.PathEscape(container))
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, path+"?"+query.Encode(), nil)
	if err != nil {
		return unreachable("asking the kubelet of %s: %w", pod.Spec.NodeName, err)
	}
	answer, err := s.kubelet.RoundTrip(ask)
	if err != nil {
		return unreachable("asking the kubelet of %s for the log of %s: %w", pod.Spec.NodeName, container, err)
	}
	defer func() { _ = answer.Body.Close() }() // everything there is has been read
	if answer.StatusCode != http.StatusOK {
		return kubeletError(answer)
	}
	s.copyLog(r, answer.Body)
	return nil
}

// logMistakes are the numbers that ask for no log there could be.
func logMistakes(query url.Values) field.ErrorList {
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
func (s *Server) copyLog(r *request, from io.Reader) {
	r.w.Header().Set("Content-Type", "text/plain")
	r.w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(r.w)
	if out.Flush() != nil {
		return
	}
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			if _, err := r.w.Write(piece[:n]); err != nil {
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

// logContainer picks the container whose log is asked for, and words what is wrong as upstream does.
func logContainer(pod *corev1.Pod, name string) (string, error) {
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

// kubeletURL is where the node's kubelet listens, if what the node says is an address to connect to.
func (s *Server) kubeletURL(name string) (string, error) {
	obj, ok := reader{s}.Get("", "nodes", "", name)
	if !ok {
		return "", apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, name)
	}
	node := obj.(*corev1.Node)
	if api.IsSimulated(node) {
		return "", apierrors.NewBadRequest(fmt.Sprintf("node %s is simulated for scale: nobody listens there, so its pods have no "+
			"logs, exec, attach or port-forward; pods on nodes without the label %s have", name, api.Simulated))
	}
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			port := node.Status.DaemonEndpoints.KubeletEndpoint.Port
			if err := s.allowed(TargetKubelet, a.Address, port); err != nil {
				return "", err
			}
			return "https://" + s.Address(a.Address, port), nil
		}
	}
	return "", unreachable("node %s has no InternalIP, so its kubelet can't be asked", name)
}
