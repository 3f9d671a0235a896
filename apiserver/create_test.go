package apiserver

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

func TestGeneratedNames(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	maps := ts.client.CoreV1().ConfigMaps("shop")
	suffixes := []string{"aaaaa", "aaaaa", "bbbbb", "ccccc"}
	ts.NewSuffix = func() string {
		next := suffixes[0]
		suffixes = suffixes[1:]
		return next
	}
	generate := func(base string) string {
		made, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: base}}, metav1.CreateOptions{})
		require.NoError(t, err)
		require.Equal(t, base, made.GenerateName)
		return made.Name
	}
	require.Equal(t, "web-aaaaa", generate("web-"))
	require.Equal(t, "web-bbbbb", generate("web-"), "a name that is taken is drawn again")
	long := strings.Repeat("x", 80)
	require.Equal(t, long[:58]+"ccccc", generate(long))
	_, err := maps.Create(t.Context(), &corev1.ConfigMap{}, metav1.CreateOptions{})
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	require.ErrorContains(t, err, "name or generateName is required")
}

// What clients may not set is set by the server.
func TestTheServersOwnFields(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	p := pod("a")
	p.UID, p.Generation, p.SelfLink = "mine", 7, "/here"
	p.CreationTimestamp = metav1.Unix(1, 0)
	p.DeletionTimestamp, p.DeletionGracePeriodSeconds = ptr.To(metav1.Unix(2, 0)), ptr.To[int64](3)
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.0.0.1"}
	made, err := ts.client.CoreV1().Pods("shop").Create(t.Context(), p, metav1.CreateOptions{FieldManager: "me"})
	require.NoError(t, err)
	require.NotEqual(t, types.UID("mine"), made.UID)
	require.EqualValues(t, 1, made.Generation)
	require.Empty(t, made.SelfLink)
	require.Nil(t, made.DeletionTimestamp)
	require.Nil(t, made.DeletionGracePeriodSeconds)
	require.Greater(t, made.CreationTimestamp.Unix(), int64(1))
	require.Equal(t, corev1.PodPending, made.Status.Phase)
	require.Empty(t, made.Status.PodIP)
	require.Equal(t, "me", made.ManagedFields[0].Manager)

	m := configMap("b")
	m.ResourceVersion = "5"
	_, err = ts.client.CoreV1().ConfigMaps("shop").Create(t.Context(), m, metav1.CreateOptions{})
	require.ErrorContains(t, err, "resourceVersion should not be set on objects to be created")
}

// A dry run goes through everything but the store.
func TestDryRun(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	all := []string{metav1.DryRunAll}
	maps := ts.client.CoreV1().ConfigMaps("shop")
	made, err := maps.Create(t.Context(), configMap("a"), metav1.CreateOptions{DryRun: all})
	require.NoError(t, err)
	require.NotEmpty(t, made.UID)
	require.Empty(t, made.ResourceVersion)
	_, err = maps.Get(t.Context(), "a", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	_, err = maps.Create(t.Context(), configMap("No"), metav1.CreateOptions{DryRun: all})
	require.True(t, apierrors.IsInvalid(err), "%v", err)

	stored := ts.configMap(t, "shop", "a", "k", "1")
	shown, err := maps.Patch(t.Context(), "a", types.MergePatchType, []byte(`{"data":{"k":"2"}}`), metav1.PatchOptions{DryRun: all})
	require.NoError(t, err)
	require.Equal(t, "2", shown.Data["k"])
	require.Equal(t, stored.ResourceVersion, shown.ResourceVersion)
	shown.Data["k"] = "3"
	shown, err = maps.Update(t.Context(), shown, metav1.UpdateOptions{DryRun: all})
	require.NoError(t, err)
	require.Equal(t, "3", shown.Data["k"])
	require.NoError(t, maps.Delete(t.Context(), "a", metav1.DeleteOptions{DryRun: all}))
	require.NoError(t, maps.DeleteCollection(t.Context(), metav1.DeleteOptions{DryRun: all}, metav1.ListOptions{}))
	got, err := maps.Get(t.Context(), "a", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, stored, got)
}

// Unknown and duplicate fields: an error, a warning, or nothing (Kubernetes API Concepts, "Field validation").
func TestFieldValidation(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	body := `{"metadata":{"name":"%s","label":{}},"data":{"k":"1","k":"2"}}`
	for i, c := range []struct {
		mode     string
		code     int
		warnings int
	}{{"", 201, 2}, {"Warn", 201, 2}, {"Ignore", 201, 0}, {"Strict", 400, 0}} {
		response, answer := ts.call(t, "POST", "/api/v1/namespaces/shop/configmaps?fieldValidation="+c.mode,
			fmt.Sprintf(body, fmt.Sprintf("m%d", i)))
		require.Equal(t, c.code, response.StatusCode, "%s", answer)
		require.Len(t, response.Header.Values("Warning"), c.warnings, c.mode)
		if c.code == 400 {
			require.Equal(t, `ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: `+
				`unknown field "metadata.label", duplicate field "data.k"`, status(t, answer).Message)
		}
	}
	// So it is for patches, whose result is judged.
	const path = "/api/v1/namespaces/shop/configmaps/m0?fieldValidation="
	for mode, code := range map[string]int{"": 200, "Strict": 422, "Ignore": 200} {
		response, answer := ts.call(t, "PATCH", path+mode, `{"dta":{"k":"1"}}`, "Content-Type", string(types.MergePatchType))
		require.Equal(t, code, response.StatusCode, "%s", answer)
		require.Equal(t, mode == "", len(response.Header.Values("Warning")) == 1, mode)
	}
}

// Upstream's words for objects that can't be: every mistake at once.
func TestEveryMistakeIsNamed(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	p := pod("Web_1")
	p.Labels = map[string]string{"a b": "c"}
	p.Spec.Containers[0].Image = ""
	_, err := ts.client.CoreV1().Pods("shop").Create(t.Context(), p, metav1.CreateOptions{})
	require.True(t, apierrors.IsInvalid(err), "%v", err)
	var fields []string
	for _, cause := range err.(apierrors.APIStatus).Status().Details.Causes { //nolint:errorlint // client-go returns this type
		fields = append(fields, cause.Field)
	}
	slices.Sort(fields)
	require.Equal(t, []string{"metadata.labels", "metadata.name", "spec.containers[0].image"}, slices.Compact(fields))
}

func TestNamespacesAreThereBeforeWhatIsInThem(t *testing.T) {
	ts := start(t)
	_, err := ts.client.CoreV1().ConfigMaps("shop").Create(t.Context(), configMap("a"), metav1.CreateOptions{})
	require.EqualError(t, err, `namespaces "shop" not found`)
	ts.namespace(t, "shop")
	require.NoError(t, ts.client.CoreV1().Namespaces().Delete(t.Context(), "shop", metav1.DeleteOptions{}))
	_, err = ts.client.CoreV1().ConfigMaps("shop").Create(t.Context(), configMap("a"), metav1.CreateOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	require.True(t, apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), "%v", err)
	for _, name := range []string{"default", "kube-system", "kube-public"} {
		err = ts.client.CoreV1().Namespaces().Delete(t.Context(), name, metav1.DeleteOptions{})
		require.ErrorContains(t, err, "this namespace may not be deleted")
	}
}

func TestWhatAPodIsGivenOnItsWayIn(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	pods := ts.client.CoreV1().Pods("shop")
	for name, class := range map[string]*schedulingv1.PriorityClass{
		"high":   {Value: 1000, PreemptionPolicy: ptr.To(corev1.PreemptNever)},
		"normal": {Value: 10, GlobalDefault: true},
	} {
		class.Name = name
		_, err := ts.client.SchedulingV1().PriorityClasses().Create(t.Context(), class, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	plain, err := pods.Create(t.Context(), pod("plain"), metav1.CreateOptions{})
	require.NoError(t, err)
	require.Equal(t, "default", plain.Spec.ServiceAccountName)
	require.Equal(t, "normal", plain.Spec.PriorityClassName)
	require.EqualValues(t, 10, *plain.Spec.Priority)
	var tolerated []string
	for _, toleration := range plain.Spec.Tolerations {
		require.EqualValues(t, 300, *toleration.TolerationSeconds)
		tolerated = append(tolerated, toleration.Key)
	}
	require.Equal(t, []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable}, tolerated)

	high := pod("high")
	high.Spec.PriorityClassName = "high"
	high.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	high, err = pods.Create(t.Context(), high, metav1.CreateOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 1000, *high.Spec.Priority)
	require.Equal(t, corev1.PreemptNever, *high.Spec.PreemptionPolicy)
	require.Len(t, high.Spec.Tolerations, 1, "it tolerates everything already")

	for message, wrong := range map[string]corev1.PodSpec{
		"no PriorityClass with name none was found":                     {PriorityClassName: "none"},
		"the integer value of priority (5) must not be provided":        {Priority: ptr.To[int32](5)},
		`error looking up service account shop/none: serviceaccount "n`: {ServiceAccountName: "none"},
	} {
		p := pod("wrong")
		wrong.Containers = p.Spec.Containers
		p.Spec = wrong
		_, err := pods.Create(t.Context(), p, metav1.CreateOptions{})
		require.True(t, apierrors.IsForbidden(err), "%v", err)
		require.ErrorContains(t, err, message)
	}
}

func nodePortService(name, ip string, ports ...int32) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ServiceSpec{ClusterIP: ip}}
	for i, port := range ports {
		s.Spec.Type = corev1.ServiceTypeNodePort
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: fmt.Sprintf("p%d", i), Port: int32(80 + i), NodePort: port})
	}
	if len(ports) == 0 {
		s.Spec.Ports = []corev1.ServicePort{{Port: 80}}
	}
	return s
}

func TestAddressesThatAreTaken(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	services := ts.client.CoreV1().Services("shop")
	_, err := services.Create(t.Context(), nodePortService("a", "10.96.0.50", 30050), metav1.CreateOptions{})
	require.NoError(t, err)
	for message, wrong := range map[string]*corev1.Service{
		`spec.clusterIPs: Invalid value: ["10.96.0.50"]: failed to allocate IP 10.96.0.50: provided IP is already allocated`: nodePortService("b", "10.96.0.50"),
		`spec.ports[1].nodePort: Invalid value: 30050: provided port is already allocated`:                                   nodePortService("b", "", 30051, 30050),
		`failed to allocate IP 10.97.0.1: the provided network does not match the current range`:                             nodePortService("b", "10.97.0.1"),
	} {
		_, err = services.Create(t.Context(), wrong, metav1.CreateOptions{})
		require.True(t, apierrors.IsInvalid(err), "%v", err)
		require.ErrorContains(t, err, message)
	}
	require.NoError(t, services.Delete(t.Context(), "a", metav1.DeleteOptions{}))
	_, err = services.Create(t.Context(), nodePortService("b", "10.96.0.50", 30051, 30050), metav1.CreateOptions{})
	require.NoError(t, err, "a service that is deleted gives back what it had")
}

// Of many that want the same, one gets it. Of many that want any, each gets its own.
func TestRacesForAddresses(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	services := ts.client.CoreV1().Services("shop")
	made := make(chan *corev1.Service, 40)
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			s, err := services.Create(t.Context(), nodePortService(fmt.Sprintf("same-%d", i), "10.96.0.60", 30060), metav1.CreateOptions{})
			if err == nil {
				made <- s
			} else if !apierrors.IsInvalid(err) {
				t.Error(err)
			}
		})
		wait.Go(func() {
			s, err := services.Create(t.Context(), nodePortService(fmt.Sprintf("any-%d", i), "", 0, 0), metav1.CreateOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			made <- s
		})
	}
	wait.Wait()
	close(made)
	seen := map[any]bool{}
	for s := range made {
		require.False(t, seen[s.Spec.ClusterIP], s.Spec.ClusterIP)
		seen[s.Spec.ClusterIP] = true
		for _, p := range s.Spec.Ports {
			require.False(t, seen[p.NodePort], "%d", p.NodePort)
			seen[p.NodePort] = true
		}
	}
	require.Len(t, seen, 21+41)
}

// A port that an update draws may be taken by somebody else meanwhile: another one is drawn.
func TestAnUpdateDrawsItsPortAgain(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	services := ts.client.CoreV1().Services("shop")
	const n = 30
	for i := range n {
		_, err := services.Create(t.Context(), nodePortService(fmt.Sprintf("s%d", i), ""), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			_, err := services.Patch(t.Context(), fmt.Sprintf("s%d", i), types.MergePatchType, []byte(`{"spec":{"type":"NodePort"}}`),
				metav1.PatchOptions{})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// Each port is a claim in the transaction of the service.
func TestAServiceOfManyPorts(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	made, err := ts.client.CoreV1().Services("shop").Create(t.Context(), nodePortService("a", "", make([]int32, 300)...), metav1.CreateOptions{})
	require.NoError(t, err)
	require.Len(t, made.Spec.Ports, 300)
}

// A load balancer's service with the traffic policy Local has a port for health checks as long as it is one.
func TestHealthCheckNodePort(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	services := ts.client.CoreV1().Services("shop")
	service, err := services.Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 80}},
			ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyLocal},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	first := service.Spec.HealthCheckNodePort
	require.GreaterOrEqual(t, first, int32(30000))
	require.NotEqual(t, service.Spec.Ports[0].NodePort, first)

	for _, c := range []struct {
		policy corev1.ServiceExternalTrafficPolicy
		kind   corev1.ServiceType
		has    bool
	}{
		{corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceTypeLoadBalancer, false},
		{corev1.ServiceExternalTrafficPolicyLocal, corev1.ServiceTypeLoadBalancer, true},
		{corev1.ServiceExternalTrafficPolicyLocal, corev1.ServiceTypeNodePort, false},
	} {
		service.Spec.ExternalTrafficPolicy, service.Spec.Type = c.policy, c.kind
		service, err = services.Update(t.Context(), service, metav1.UpdateOptions{})
		require.NoError(t, err)
		require.Equal(t, c.has, service.Spec.HealthCheckNodePort != 0, "%s %s", c.kind, c.policy)
	}
}
