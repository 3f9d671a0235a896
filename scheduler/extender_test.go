package scheduler

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"minik.dev/scheduler/framework"
)

// outside is an extender that answers what the test says, and remembers what it was asked.
type outside struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string
	filter func(extenderv1.ExtenderArgs) extenderv1.ExtenderFilterResult
	scores extenderv1.HostPriorityList
	bind   func(extenderv1.ExtenderBindingArgs) string
	// preempt is asked by node and, of each victim, by UID, whatever form the question has.
	preempt func(map[string][]string) map[string][]string
	broken  atomic.Bool
}

func startOutside(t *testing.T) *outside {
	o := &outside{}
	o.Server = httptest.NewServer(o)
	o.Config.SetKeepAlivesEnabled(false) // no connection outlives its request
	t.Cleanup(o.Close)
	return o
}

func (o *outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, r.URL.Path)
	var args extenderv1.ExtenderArgs
	var binding extenderv1.ExtenderBindingArgs
	var answer any
	switch {
	case o.broken.Load():
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	case strings.HasSuffix(r.URL.Path, "/filter"):
		_ = json.NewDecoder(r.Body).Decode(&args)
		answer = o.filter(args)
	case strings.HasSuffix(r.URL.Path, "/prioritize"):
		answer = o.scores
	case strings.HasSuffix(r.URL.Path, "/preempt"):
		answer = o.answerPreemption(r)
	default:
		_ = json.NewDecoder(r.Body).Decode(&binding)
		answer = extenderv1.ExtenderBindingResult{Error: o.bind(binding)}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (o *outside) answerPreemption(r *http.Request) extenderv1.ExtenderPreemptionResult {
	var args extenderv1.ExtenderPreemptionArgs
	_ = json.NewDecoder(r.Body).Decode(&args)
	question := map[string][]string{}
	for node, victims := range args.NodeNameToVictims {
		for _, pod := range victims.Pods {
			question[node] = append(question[node], string(pod.UID))
		}
	}
	for node, victims := range args.NodeNameToMetaVictims {
		for _, pod := range victims.Pods {
			question[node] = append(question[node], pod.UID)
		}
	}
	answer := extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}}
	for node, uids := range o.preempt(question) {
		victims := &extenderv1.MetaVictims{}
		for _, uid := range uids {
			victims.Pods = append(victims.Pods, &extenderv1.MetaPod{UID: uid})
		}
		answer.NodeNameToMetaVictims[node] = victims
	}
	return answer
}

func (o *outside) configuration(t *testing.T, more string) *Configuration {
	c, err := parseConfiguration([]byte(configurationHead + fmt.Sprintf(`
extenders:
- {urlPrefix: "%s/say", filterVerb: filter, prioritizeVerb: prioritize, weight: 2, %s}`, o.URL, more)))
	require.NoError(t, err)
	return c
}

func threeNodes() []*corev1.Node {
	var nodes []*corev1.Node
	for _, name := range []string{"node-1", "node-2", "node-3"} {
		nodes = append(nodes, testNode(name, nodeResources("4", "8Gi"), nil))
	}
	return nodes
}

// An extender strikes nodes off, with its reasons, and its scores, from 0 to 10, count ten times its weight.
func TestExtendersHaveASay(t *testing.T) {
	for _, cached := range []bool{false, true} {
		o := startOutside(t)
		o.scores = extenderv1.HostPriorityList{{Host: "node-1", Score: 3}, {Host: "node-2", Score: 1}}
		o.filter = func(args extenderv1.ExtenderArgs) extenderv1.ExtenderFilterResult {
			require.Equal(t, cached, args.Nodes == nil)
			answer := extenderv1.ExtenderFilterResult{FailedNodes: extenderv1.FailedNodesMap{"node-3": "too loud"}}
			if cached {
				require.Equal(t, []string{"node-1", "node-2", "node-3"}, *args.NodeNames)
				answer.NodeNames = &[]string{"node-1", "node-2"}
				return answer
			}
			answer.Nodes = &corev1.NodeList{Items: args.Nodes.Items[:2]}
			return answer
		}
		c := o.configuration(t, fmt.Sprintf("nodeCacheCapable: %v", cached))
		snapshot, pod := framework.NewSnapshot(), testPod("web", resources("1", "1Gi"))
		for _, node := range threeNodes() {
			snapshot.SetNode(node)
		}
		profile := c.Profiles[framework.DefaultSchedulerName]
		said, err := askExtenders(t.Context(), c.Extenders, pod, threeNodes())
		require.NoError(t, err)
		without, e := framework.Explain(profile, snapshot, pod), framework.ExplainWith(profile, snapshot, pod, said)
		require.Equal(t, "node-1", e.Decision.Node)
		require.Equal(t, without.Nodes[0].Total+60, e.Nodes[0].Total)
		require.Equal(t, without.Nodes[1].Total+20, e.Nodes[1].Total)
		require.Equal(t, []string{"too loud"}, e.Nodes[2].Rejections[0].Reasons)
		require.Equal(t, []string{"/say/filter", "/say/prioritize"}, o.asked)

		snapshot.SetNode(testNode("node-4", nodeResources("64", "64Gi"), nil))
		require.Equal(t, "node-1", framework.ExplainWith(profile, snapshot, pod, said).Decision.Node, "node-4 was not asked about")
	}
}

// An error ends the attempt, unless the extender is ignorable; and only pods that use its resources are its business.
func TestExtendersThatFail(t *testing.T) {
	o := startOutside(t)
	o.broken.Store(true)
	pod := testPod("web", resources("1", "1Gi"))
	_, err := askExtenders(t.Context(), o.configuration(t, "").Extenders, pod, threeNodes())
	require.ErrorContains(t, err, "failed filter with extender at URL "+o.URL+"/say/filter, code 500")
	said, err := askExtenders(t.Context(), o.configuration(t, "ignorable: true").Extenders, pod, threeNodes())
	require.NoError(t, err)
	require.Empty(t, said.Rejected)

	c := o.configuration(t, "managedResources: [{name: example.com/foo, ignoredByScheduler: true}]")
	_, err = askExtenders(t.Context(), c.Extenders, pod, threeNodes())
	require.NoError(t, err)
	pod.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"example.com/foo": resource.MustParse("1")}
	_, err = askExtenders(t.Context(), c.Extenders, pod, threeNodes())
	require.Error(t, err)
	require.Equal(t, []string{"example.com/foo"}, c.Profiles[framework.DefaultSchedulerName].IgnoredResources)
}

// A whole scheduler with an extender: the pod waits where it fails, goes where it says, and it binds.
func TestASchedulerWithAnExtender(t *testing.T) {
	o := startOutside(t)
	o.broken.Store(true)
	o.filter = func(args extenderv1.ExtenderArgs) extenderv1.ExtenderFilterResult {
		return extenderv1.ExtenderFilterResult{NodeNames: &[]string{"node-2"}}
	}
	var f *fixture
	o.bind = func(args extenderv1.ExtenderBindingArgs) string {
		pod := f.pod(args.PodName)
		pod.Spec.NodeName = args.Node
		if _, err := f.client.CoreV1().Pods("default").Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
			return err.Error()
		}
		return ""
	}
	f = startWith(t, o.configuration(t, "nodeCacheCapable: true, bindVerb: bind"))
	for _, node := range threeNodes() {
		f.addNode(node)
	}
	f.create(testPod("web", resources("1", "1Gi")))
	f.eventually(func() bool { return scheduledCondition(f.pod("web")).Reason == corev1.PodReasonSchedulerError })
	require.Contains(t, scheduledCondition(f.pod("web")).Message, "failed filter with extender")
	o.broken.Store(false)
	f.eventually(func() bool {
		f.clock.Step(time.Second)
		return f.pod("web").Spec.NodeName == "node-2"
	})
	f.eventually(func() bool { return f.pod("web").Annotations[DecisionAnnotation] != "" })
	var record Record
	require.NoError(t, json.Unmarshal([]byte(f.pod("web").Annotations[DecisionAnnotation]), &record))
	require.Equal(t, "node-2", record.Best[0].Node)
	o.mu.Lock()
	defer o.mu.Unlock()
	require.Contains(t, o.asked, "/say/bind")
}

func TestExtenderConfigurationErrors(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"extenders: [{filterVerb: filter}]", "extenders[0].urlPrefix must not be empty"},
		{"extenders: [{urlPrefix: 'http://a', prioritizeVerb: p}]", "extenders[0].weight: an extender with prioritizeVerb"},
		{"extenders: [{urlPrefix: 'http://a', bindVerb: b}, {urlPrefix: 'http://b', bindVerb: b}]",
			"extenders[1].bindVerb: only one extender may bind"},
		{"extenders: [{urlPrefix: 'https://a', tlsConfig: {caFile: /nowhere}}]", "extenders[0].tlsConfig: "},
	} {
		_, err := parseConfiguration([]byte(configurationHead + c.file))
		require.ErrorContains(t, err, c.want, c.file)
	}
}

// A node that comes while an extender is asked about the others is not forgotten.
func TestWhatHappensWhileExtendersAreAskedCounts(t *testing.T) {
	o := startOutside(t)
	c, err := parseConfiguration([]byte(configurationHead + fmt.Sprintf(`
extenders: [{urlPrefix: "%s/say", filterVerb: filter, nodeCacheCapable: true}]`, o.URL)))
	require.NoError(t, err)
	f := startWith(t, c, testNode("node-1", nodeResources("1", "4Gi"), nil))
	first := true
	o.filter = func(args extenderv1.ExtenderArgs) extenderv1.ExtenderFilterResult {
		if first {
			first = false
			f.addNode(testNode("node-2", nodeResources("1", "4Gi"), nil))
		}
		var fit []string
		for _, name := range *args.NodeNames {
			if name == "node-2" {
				fit = append(fit, name)
			}
		}
		return extenderv1.ExtenderFilterResult{NodeNames: &fit}
	}
	f.create(testPod("web", resources("1", "1Gi")))
	f.eventually(func() bool { return f.pod("web").Spec.NodeName == "node-2" })
}
