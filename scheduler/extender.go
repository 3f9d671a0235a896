package scheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	kubeschedulerv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"minik.dev/scheduler/framework"
)

// extender is a program outside that has a say: it is asked over HTTP which of the nodes that fit it agrees to, how it
// likes them, and may do the binding itself.
type extender struct {
	kubeschedulerv1.Extender
	client *http.Client
}

func newExtender(path string, file kubeschedulerv1.Extender) (*extender, error) {
	switch {
	case file.URLPrefix == "":
		return nil, fmt.Errorf("%s.urlPrefix must not be empty", path)
	case file.PrioritizeVerb != "" && file.Weight <= 0:
		return nil, fmt.Errorf("%s.weight: an extender with prioritizeVerb must have a positive weight", path)
	}
	if file.HTTPTimeout.Duration == 0 {
		file.HTTPTimeout.Duration = 5 * time.Second
	}
	config := rest.Config{Host: file.URLPrefix, Timeout: file.HTTPTimeout.Duration}
	if t := file.TLSConfig; t != nil {
		config.TLSClientConfig = rest.TLSClientConfig{
			Insecure: t.Insecure, ServerName: t.ServerName, CertFile: t.CertFile, KeyFile: t.KeyFile, CAFile: t.CAFile,
			CertData: t.CertData, KeyData: t.KeyData, CAData: t.CAData,
		}
	}
	// As upstream: an extender at HTTPS without a certificate authority is not verified.
	if file.EnableHTTPS && config.CAFile == "" && len(config.CAData) == 0 {
		config.Insecure = true
	}
	client, err := rest.HTTPClientFor(&config)
	if err != nil {
		return nil, fmt.Errorf("%s.tlsConfig: %w", path, err)
	}
	return &extender{file, client}, nil
}

// wants reports whether the extender is asked about the pod: about all, or those that use a resource it manages.
func (e *extender) wants(pod *corev1.Pod) bool {
	if len(e.ManagedResources) == 0 {
		return true
	}
	uses := func(list corev1.ResourceList) bool {
		return slices.ContainsFunc(e.ManagedResources, func(r kubeschedulerv1.ExtenderManagedResource) bool {
			_, ok := list[corev1.ResourceName(r.Name)]
			return ok
		})
	}
	for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range containers {
			if uses(containers[i].Resources.Requests) || uses(containers[i].Resources.Limits) {
				return true
			}
		}
	}
	return false
}

// askExtenders asks one after another about the nodes that all before have agreed to.
func askExtenders(
	ctx context.Context, extenders []*extender, pod *corev1.Pod, nodes []*corev1.Node,
) (*framework.Opinions, error) {
	o := &framework.Opinions{Asked: map[string]bool{}, Rejected: map[string]*framework.Rejection{}, Scores: map[string]int64{}}
	for _, n := range nodes {
		o.Asked[n.Name] = true
	}
	for _, e := range extenders {
		if len(nodes) == 0 || e.FilterVerb == "" || !e.wants(pod) {
			continue
		}
		left, err := e.filter(ctx, pod, nodes, o.Rejected)
		if err != nil && !e.Ignorable {
			return nil, err
		}
		if err == nil {
			nodes = left
		}
	}
	for _, e := range extenders {
		if len(nodes) == 0 || e.PrioritizeVerb == "" || !e.wants(pod) {
			continue
		}
		var scores extenderv1.HostPriorityList
		if err := e.send(ctx, e.PrioritizeVerb, e.args(pod, nodes), &scores); err != nil {
			continue // as upstream: the others' scores decide
		}
		for _, s := range scores {
			o.Scores[s.Host] += s.Score * e.Weight * (framework.MaxScore / extenderv1.MaxExtenderPriority)
		}
	}
	return o, nil
}

func (e *extender) args(pod *corev1.Pod, nodes []*corev1.Node) *extenderv1.ExtenderArgs {
	args := &extenderv1.ExtenderArgs{Pod: pod}
	if e.NodeCacheCapable {
		names := make([]string, len(nodes))
		for i, n := range nodes {
			names[i] = n.Name
		}
		args.NodeNames = &names
		return args
	}
	args.Nodes = &corev1.NodeList{}
	for _, n := range nodes {
		args.Nodes.Items = append(args.Nodes.Items, *n)
	}
	return args
}

// filter is the nodes that the extender agrees to. The others it adds to rejected.
func (e *extender) filter(
	ctx context.Context, pod *corev1.Pod, nodes []*corev1.Node, rejected map[string]*framework.Rejection,
) ([]*corev1.Node, error) {
	var answer extenderv1.ExtenderFilterResult
	if err := e.send(ctx, e.FilterVerb, e.args(pod, nodes), &answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("extender %s: %s", e.URLPrefix, answer.Error)
	}
	fit := map[string]bool{}
	switch {
	case e.NodeCacheCapable && answer.NodeNames != nil:
		for _, name := range *answer.NodeNames {
			fit[name] = true
		}
	case answer.Nodes != nil:
		for i := range answer.Nodes.Items {
			fit[answer.Nodes.Items[i].Name] = true
		}
	}
	var left []*corev1.Node
	for _, n := range nodes {
		final, unresolvable := answer.FailedAndUnresolvableNodes[n.Name]
		failed, no := answer.FailedNodes[n.Name]
		switch {
		case unresolvable:
			rejected[n.Name] = reject(true, final)
		case no:
			rejected[n.Name] = reject(false, failed)
		case fit[n.Name]:
			left = append(left, n)
		default:
			rejected[n.Name] = reject(false, "node(s) were left out by extender "+e.URLPrefix)
		}
	}
	return left, nil
}

func reject(unresolvable bool, reason string) *framework.Rejection {
	return &framework.Rejection{Plugin: framework.Extender, Reasons: []string{reason}, Unresolvable: unresolvable}
}

// bind has the extender bind the pod.
func (e *extender) bind(ctx context.Context, pod *corev1.Pod, node string) error {
	args := &extenderv1.ExtenderBindingArgs{PodName: pod.Name, PodNamespace: pod.Namespace, PodUID: pod.UID, Node: node}
	var answer extenderv1.ExtenderBindingResult
	if err := e.send(ctx, e.BindVerb, args, &answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	return nil
}

func (e *extender) send(ctx context.Context, verb string, args, answer any) error {
	body, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("asking extender %s: %w", e.URLPrefix, err)
	}
	url := strings.TrimRight(e.URLPrefix, "/") + "/" + verb
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking extender %s: %w", e.URLPrefix, err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := e.client.Do(request)
	if err != nil {
		return fmt.Errorf("asking extender: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("failed %s with extender at URL %s, code %d", verb, url, response.StatusCode)
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("reading what extender %s answers: %w", url, err)
	}
	return nil
}

// binder is the extender that binds the pod; nil where this scheduler does.
func binder(extenders []*extender, pod *corev1.Pod) *extender {
	for _, e := range extenders {
		if e.BindVerb != "" && e.wants(pod) {
			return e
		}
	}
	return nil
}

// decideWithExtenders asks the extenders about the nodes that fit, without holding the lock, and then decides with
// what they said, on the cluster as it is by then. It returns with the lock held, as it found it.
func (s *Scheduler) decideWithExtenders(ctx context.Context, item *queuedPod) (framework.Decision, error) {
	var fit []*corev1.Node
	e := framework.ExplainWith(item.profile, s.snapshot, item.pod, nil)
	for i, n := range s.snapshot.Nodes() {
		if e.Nodes[i].Rejections == nil {
			fit = append(fit, n.Node)
		}
	}
	if len(fit) > 0 {
		var said *framework.Opinions
		var err error
		s.unlocked(func() { said, err = askExtenders(ctx, s.configuration.Extenders, item.pod, fit) })
		if err != nil {
			return framework.Decision{}, err
		}
		e = framework.ExplainWith(item.profile, s.snapshot, item.pod, said)
	}
	if e.Decision.Preemption == nil {
		return e.Decision, nil
	}
	return s.preemptWithExtenders(ctx, item, e)
}
