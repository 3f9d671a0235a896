package fidelity

import (
	"fmt"
	"hash/fnv"
	"math/rand"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/registry/apps/daemonset"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/replicaset"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"
	"k8s.io/kubernetes/pkg/registry/batch/cronjob"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/certificates/certificates"
	"k8s.io/kubernetes/pkg/registry/certificates/podcertificaterequest"
	"k8s.io/kubernetes/pkg/registry/core/namespace"
	"k8s.io/kubernetes/pkg/registry/core/node"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolume"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/core/replicationcontroller"
	"k8s.io/kubernetes/pkg/registry/core/resourcequota"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/flowcontrol/flowschema"
	"k8s.io/kubernetes/pkg/registry/flowcontrol/prioritylevelconfiguration"
	"k8s.io/kubernetes/pkg/registry/networking/ingress"
	"k8s.io/kubernetes/pkg/registry/networking/servicecidr"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	"k8s.io/kubernetes/pkg/registry/resource/devicetaintrule"
	"k8s.io/kubernetes/pkg/registry/resource/resourceclaim"
	"k8s.io/kubernetes/pkg/registry/storage/csinode"
	"k8s.io/kubernetes/pkg/registry/storage/volumeattachment"
	"k8s.io/kubernetes/pkg/registry/storagemigration/storagemigration"
	clocktesting "k8s.io/utils/clock/testing"

	"minik.dev/apiserver/resources"
)

// statusStrategy is how upstream's storage asks a kind what becomes of its objects when their status is written.
type statusStrategy interface {
	rest.RESTUpdateStrategy
	NamespaceScoped() bool
}

// allowed is the authorizer of some: whoever writes may do so.
var allowed = authorizerfactory.NewAlwaysAllowAuthorizer()

// statusStrategies are upstream's, of each kind whose status is a subresource.
var statusStrategies = map[schema.GroupKind]statusStrategy{
	{Group: "", Kind: "Namespace"}:                                              namespace.StatusStrategy,
	{Group: "", Kind: "Node"}:                                                   node.StatusStrategy,
	{Group: "", Kind: "PersistentVolume"}:                                       persistentvolume.StatusStrategy,
	{Group: "", Kind: "PersistentVolumeClaim"}:                                  persistentvolumeclaim.StatusStrategy,
	{Group: "", Kind: "Pod"}:                                                    pod.StatusStrategy,
	{Group: "", Kind: "ReplicationController"}:                                  replicationcontroller.StatusStrategy,
	{Group: "", Kind: "ResourceQuota"}:                                          resourcequota.StatusStrategy,
	{Group: "", Kind: "Service"}:                                                service.StatusStrategy,
	{Group: "apps", Kind: "DaemonSet"}:                                          daemonset.StatusStrategy,
	{Group: "apps", Kind: "Deployment"}:                                         deployment.StatusStrategy,
	{Group: "apps", Kind: "ReplicaSet"}:                                         replicaset.StatusStrategy,
	{Group: "apps", Kind: "StatefulSet"}:                                        statefulset.StatusStrategy,
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:                     horizontalpodautoscaler.StatusStrategy,
	{Group: "batch", Kind: "CronJob"}:                                           cronjob.StatusStrategy,
	{Group: "batch", Kind: "Job"}:                                               job.StatusStrategy,
	{Group: "certificates.k8s.io", Kind: "CertificateSigningRequest"}:           certificates.StatusStrategy,
	{Group: "certificates.k8s.io", Kind: "PodCertificateRequest"}:               podcertificaterequest.NewStatusStrategy(podcertificaterequest.NewStrategy(), allowed, clocktesting.NewFakePassiveClock(when.Time)),
	{Group: "flowcontrol.apiserver.k8s.io", Kind: "FlowSchema"}:                 flowschema.StatusStrategy,
	{Group: "flowcontrol.apiserver.k8s.io", Kind: "PriorityLevelConfiguration"}: prioritylevelconfiguration.StatusStrategy,
	{Group: "networking.k8s.io", Kind: "Ingress"}:                               ingress.StatusStrategy,
	{Group: "networking.k8s.io", Kind: "ServiceCIDR"}:                           servicecidr.StatusStrategy,
	{Group: "policy", Kind: "PodDisruptionBudget"}:                              poddisruptionbudget.StatusStrategy,
	{Group: "resource.k8s.io", Kind: "DeviceTaintRule"}:                         devicetaintrule.StatusStrategy,
	{Group: "resource.k8s.io", Kind: "ResourceClaim"}:                           resourceclaim.NewStatusStrategy(resourceclaim.NewStrategy(adminNamespace{}, allowed)),
	{Group: "storagemigration.k8s.io", Kind: "StorageVersionMigration"}:         storagemigration.StatusStrategy,
	{Group: "storage.k8s.io", Kind: "CSINode"}:                                  csinode.StatusStrategy,
	{Group: "storage.k8s.io", Kind: "VolumeAttachment"}:                         volumeattachment.StatusStrategy,
}

// statuses are the kinds whose status is a subresource.
func statuses() []kind {
	var all []kind
	for _, k := range kinds() {
		if sub, ok := k.row.Subresource("status"); ok {
			k.sub = sub
			all = append(all, k)
		}
	}
	return all
}

// statusWrites gives do *n writes of the status of objects that upstream has accepted. Half of them have had a status before.
func (k kind) statusWrites(t *testing.T, do func(write)) {
	whole := k
	whole.sub = nil
	inputs, err := corpus()
	require.NoError(t, err)
	name := fnv.New64()
	name.Write([]byte(k.String()))
	r := rand.New(rand.NewSource(*seed + int64(name.Sum64()>>1)))
	m := newMutator(r)
	var starts []input
	for _, in := range inputs[k.GroupVersionKind] {
		m.learn(in.obj)
		if obj, ok := whole.accepted(in.obj); ok {
			starts = append(starts, input{obj: obj, file: in.file})
		}
	}
	require.NotEmpty(t, starts, "upstream accepts none of those that are written down")
	for range 50 {
		if obj := whole.fuzzed(r); obj != nil {
			m.learn(obj)
		}
	}
	for i := range *n {
		in := pick(r, starts)
		old := in.obj
		if r.Intn(2) == 0 {
			before := old.DeepCopyObject().(resources.Object)
			m.report(before)
			if v := k.upstream(write{obj: before, old: old}); v.broken == "" && len(v.errors) == 0 {
				if stored := k.ofTree(v.object); stored != nil {
					stored.SetResourceVersion("1")
					old = stored
				}
			}
		}
		obj := old.DeepCopyObject().(resources.Object)
		done := m.report(obj)
		obj.SetName(old.GetName())
		do(write{obj: obj, old: old, of: fmt.Sprintf("the status in %s (case %d), where %s", in.file, i, strings.Join(done, " and "))})
	}
}

// report gives the object the status of another one, perhaps, and changes it in a few places, now and then outside of the status.
func (m *mutator) report(obj resources.Object) (done []string) {
	status := reflect.ValueOf(obj).Elem().FieldByName("Status")
	if seen := m.seen[fieldOf{reflect.TypeOf(obj).Elem(), "Status"}]; len(seen) > 0 && m.r.Intn(3) > 0 {
		status.Set(deepCopy(pick(m.r, seen)))
		done = append(done, ".status as elsewhere")
	}
	for range 1 + min(m.r.Intn(4), m.r.Intn(4)) {
		under := ".status"
		if m.r.Intn(6) == 0 {
			under = ""
		}
		done = append(done, m.mutate(obj, under))
	}
	return done
}

// minikStatus is what minik makes of a write of the status.
func (k kind) minikStatus(w write) (v verdict) {
	body, old := k.stored(w.obj), k.stored(w.old)
	w.set(body)
	if k.row.Default != nil {
		k.row.Default(body) // as it is decoded
	}
	obj, err := k.sub.Place(old, body)
	if err != nil {
		return verdict{broken: "it is refused: " + err.Error()}
	}
	if k.row.Stamp != nil {
		k.row.Stamp(obj, old, resources.Write{User: who, Now: when})
	}
	k.row.CountChange(obj, old)
	v.errors, v.values = k.tell(k.sub.Mistakes(k.row, obj, old))
	v.warnings = once(k.sub.Warnings(obj, old))
	k.row.Complete(obj)
	if k.served != nil {
		obj = k.served.From(obj)
	}
	v.object = tree(obj)
	return v
}
