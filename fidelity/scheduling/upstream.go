package scheduling

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/features"
	kubescheduler "k8s.io/kubernetes/pkg/scheduler"
	schedulerapi "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
)

// upstream is upstream's scheduler, made as kube-scheduler makes it with the configuration, and never run: its snapshot and its informers'
// stores are filled by hand, and it is asked step by step. (Its cache is left out: that remembers of an image, on how many nodes it is,
// until something else changes the node.)
type upstream struct {
	*kubescheduler.Scheduler
	framework framework.Framework                  // of the pod that is asked about
	preempter *defaultpreemption.DefaultPreemption // that of the framework
	snapshot  *internalcache.Snapshot
	informers informers.SharedInformerFactory
	nominated nominated
}

func newUpstream(ctx context.Context, configuration string) (*upstream, error) {
	profiles, err := readProfiles(configuration)
	if err != nil {
		return nil, err
	}
	// Evictions are then carried out before PostFilter returns, by nobody (below), and not by a goroutine that the next decision
	// would have to wait for.
	if err := utilfeature.DefaultMutableFeatureGate.Set(string(features.SchedulerAsyncPreemption) + "=false"); err != nil {
		return nil, err
	}
	u := &upstream{snapshot: internalcache.NewEmptySnapshot(), nominated: nominated{}}
	client := fake.NewClientset()
	u.informers = informers.NewSharedInformerFactory(client, 0)
	u.Scheduler, err = kubescheduler.New(ctx, client, u.informers, nil,
		func(string) events.EventRecorderLogger { return &events.FakeRecorder{} },
		kubescheduler.WithNodeInfoSnapshot(u.snapshot), kubescheduler.WithParallelism(1), kubescheduler.WithProfiles(profiles...))
	if err != nil {
		return nil, fmt.Errorf("making upstream's scheduler: %w", err)
	}
	for name, f := range u.Profiles {
		f.SetPodNominator(u.nominated)
		u.use(name)
		u.preempter.Executor.PreemptPod = func(
			context.Context, preemption.Candidate, preemption.ExecutorPreemptor, *corev1.Pod, string,
		) (bool, error) {
			return true, nil
		}
	}
	return u, u.setOwners()
}

func readProfiles(configuration string) ([]schedulerapi.KubeSchedulerProfile, error) {
	text, err := os.ReadFile(configuration)
	if err != nil {
		return nil, err
	}
	object, _, err := scheme.Codecs.UniversalDecoder().Decode(text, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configuration, err)
	}
	return object.(*schedulerapi.KubeSchedulerConfiguration).Profiles, nil
}

// use has the profile of the name decide.
func (u *upstream) use(profile string) {
	u.framework = u.Profiles[profile]
	for _, plugin := range u.framework.PreEnqueuePlugins() {
		if p, ok := plugin.(*defaultpreemption.DefaultPreemption); ok {
			u.preempter = p
		}
	}
}

// The stores of what is not told to a cache.
func (u *upstream) pods() cache.Store { return u.informers.Core().V1().Pods().Informer().GetStore() }

func (u *upstream) stores() []cache.Store {
	core := u.informers.Core().V1()
	return []cache.Store{
		u.pods(), u.nodes(), core.Namespaces().Informer().GetStore(), u.budgets(),
		core.PersistentVolumeClaims().Informer().GetStore(), core.PersistentVolumes().Informer().GetStore(),
		u.informers.Storage().V1().StorageClasses().Informer().GetStore(),
	}
}

func (u *upstream) budgets() cache.Store {
	return u.informers.Policy().V1().PodDisruptionBudgets().Informer().GetStore()
}

// must is for what can't fail in memory.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (u *upstream) clear() {
	clear(u.nominated)
	for _, store := range u.stores() {
		must(store.Replace(nil, ""))
	}
}

func (u *upstream) nodes() cache.Store { return u.informers.Core().V1().Nodes().Informer().GetStore() }

func (u *upstream) setNode(node *corev1.Node)    { must(u.nodes().Add(node)) }
func (u *upstream) removeNode(node *corev1.Node) { must(u.nodes().Delete(node)) }

// look has the snapshot show the nodes that there are, and the pods on them.
func (u *upstream) look() {
	var nodes []*corev1.Node
	for _, name := range slices.Sorted(slices.Values(u.nodes().ListKeys())) {
		node, _, _ := u.nodes().GetByKey(name)
		nodes = append(nodes, node.(*corev1.Node))
	}
	var pods []*corev1.Pod
	for _, obj := range u.pods().List() {
		if _, there, _ := u.nodes().GetByKey(obj.(*corev1.Pod).Spec.NodeName); there {
			pods = append(pods, obj.(*corev1.Pod))
		}
	}
	*u.snapshot = *internalcache.NewSnapshot(pods, nodes)
}

func (u *upstream) setNamespace(namespace *corev1.Namespace) {
	must(u.informers.Core().V1().Namespaces().Informer().GetStore().Add(namespace))
}

// setPod leaves out pods that have ended: kube-scheduler does not watch them.
func (u *upstream) setPod(pod *corev1.Pod) {
	u.removePod(pod)
	if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
		must(u.pods().Add(pod))
	}
}

func (u *upstream) removePod(pod *corev1.Pod) {
	u.nominated.DeleteNominatedPodIfExists(pod)
	must(u.pods().Delete(pod))
}

func (u *upstream) nominate(pod *corev1.Pod) {
	u.removePod(pod)
	if pod.Status.NominatedNodeName == "" {
		return
	}
	must(u.pods().Add(pod))
	info, err := framework.NewPodInfo(pod)
	must(err)
	u.nominated.AddNominatedPod(klog.Background(), info, nil)
}

func (u *upstream) setBudget(b *policyv1.PodDisruptionBudget) { must(u.budgets().Add(b)) }

func (u *upstream) setClass(class *storagev1.StorageClass) {
	must(u.informers.Storage().V1().StorageClasses().Informer().GetStore().Add(class))
}

func (u *upstream) setClaim(claim *corev1.PersistentVolumeClaim) {
	must(u.informers.Core().V1().PersistentVolumeClaims().Informer().GetStore().Add(claim))
}

func (u *upstream) setVolume(volume *corev1.PersistentVolume) {
	must(u.informers.Core().V1().PersistentVolumes().Informer().GetStore().Add(volume))
}

// decide asks upstream's scheduler as a whole, and then its plugins one by one for what it does not tell.
func (u *upstream) decide(pod *corev1.Pod) verdict {
	ctx := context.Background()
	u.use(pod.Spec.SchedulerName)
	for _, plugin := range u.framework.PreEnqueuePlugins() {
		if s := plugin.PreEnqueue(ctx, pod); !s.IsSuccess() {
			return verdict{gated: said(s.WithPlugin(plugin.Name()))}
		}
	}
	u.look()
	if pod.Status.NominatedNodeName == "" { // else it is there
		must(u.pods().Add(pod))
		defer func() { must(u.pods().Delete(pod)) }()
	}
	info, err := framework.NewPodInfo(pod)
	must(err)
	state := framework.NewCycleState()
	result, err := u.SchedulePod(ctx, u.framework, state, &framework.QueuedPodInfo{PodInfo: info})
	if err == kubescheduler.ErrNoNodesAvailable {
		return verdict{message: err.Error()}
	}
	v := u.plugins(ctx, pod)
	switch no, ok := err.(*framework.FitError); {
	case ok:
		u.preempt(ctx, pod, state, no, &v)
	case err != nil:
		v.broken = err.Error()
	default:
		v.winner = result.SuggestedHost
	}
	return v
}

// plugins asks each filter and each score about each node.
func (u *upstream) plugins(ctx context.Context, pod *corev1.Pod) verdict {
	v := verdict{rejected: map[string]rejection{}, scores: map[string]map[string]int64{}}
	state := framework.NewCycleState()
	left, s, _ := u.framework.RunPreFilterPlugins(ctx, state, pod)
	if !s.IsSuccess() {
		v.refused = said(s)
		return v
	}
	nodes, err := u.snapshot.NodeInfos().List()
	must(err)
	var fit []fwk.NodeInfo
	for _, n := range nodes {
		if !left.AllNodes() && !left.NodeNames.Has(n.Node().Name) {
			v.rejected[n.Node().Name] = rejection{unresolvable: true} // they are not even asked
		} else if s := u.framework.RunFilterPluginsWithNominatedPods(ctx, state, pod, n); !s.IsSuccess() {
			v.rejected[n.Node().Name] = *said(s)
		} else {
			fit = append(fit, n)
		}
	}
	if len(fit) == 0 {
		return v
	}
	must(u.framework.RunPreScorePlugins(ctx, state, pod, fit).AsError())
	all, s := u.framework.RunScorePlugins(ctx, state, pod, fit)
	must(s.AsError())
	for _, node := range all {
		v.scores[node.Name] = map[string]int64{}
		for _, score := range node.Scores {
			v.scores[node.Name][score.Name] = score.Score
		}
	}
	return v
}

// preempt looks for victims on every node where that may help, and has PostFilter choose.
func (u *upstream) preempt(ctx context.Context, pod *corev1.Pod, state fwk.CycleState, no *framework.FitError, v *verdict) {
	statuses := no.Diagnosis.NodeToStatus
	eligible, _ := u.preempter.PodEligibleToPreemptOthers(ctx, pod, statuses.Get(pod.Status.NominatedNodeName))
	if v.waits = !eligible; eligible {
		u.candidates(ctx, pod, state, statuses, v)
	}
	result, s := u.framework.RunPostFilterPlugins(ctx, state, pod, statuses)
	no.Diagnosis.PostFilterMsg = s.Message()
	v.message = no.Error()
	v.withdrawn = result != nil && result.NominatedNodeName == "" && pod.Status.NominatedNodeName != ""
}

// candidates tries every node where evictions may help, whichever upstream would begin with.
func (u *upstream) candidates(
	ctx context.Context, pod *corev1.Pod, state fwk.CycleState, statuses *framework.NodeToStatus, v *verdict,
) {
	potential, err := statuses.NodesForStatusCode(u.snapshot.NodeInfos(), fwk.Unschedulable)
	must(err)
	if len(potential) == 0 {
		return
	}
	evaluator := u.preempter.Evaluator
	found, _, err := evaluator.DryRunPreemption(ctx, state, pod, potential, u.sortedBudgets(), 0, int32(len(potential)))
	must(err)
	if len(found) == 0 {
		return
	}
	candidates := map[string]preemption.Candidate{}
	v.victims = map[string]string{}
	for _, c := range found {
		candidates[c.Name()] = c
		v.victims[c.Name()] = victimsOf(c.Victims().Pods, int(c.Victims().NumPDBViolations))
	}
	v.preempts = evaluator.SelectCandidate(ctx, found).Name()
	v.mightPreempt = func(node string) bool {
		other, ok := candidates[node]
		for range 1000 { // among equals it chooses by chance
			if !ok {
				break
			} else if evaluator.SelectCandidate(ctx, []preemption.Candidate{candidates[v.preempts], other}).Name() == node {
				return true
			}
		}
		return false
	}
}

// sortedBudgets are in an order that holds: a pod that several budgets select is charged to the first of them alone that allows
// nothing more, so the order decides.
func (u *upstream) sortedBudgets() []*policyv1.PodDisruptionBudget {
	var all []*policyv1.PodDisruptionBudget
	for _, obj := range u.budgets().List() {
		all = append(all, obj.(*policyv1.PodDisruptionBudget))
	}
	slices.SortFunc(all, func(a, b *policyv1.PodDisruptionBudget) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func said(s *fwk.Status) *rejection {
	return newRejection(s.Plugin(), s.Code() == fwk.UnschedulableAndUnresolvable, s.Reasons())
}
