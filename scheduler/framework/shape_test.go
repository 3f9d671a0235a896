package framework

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// unread are the fields of a pod that no plugin reads, each with the reason; a field's name stands for all that is in it.
var unread = unreadFields()

func unreadFields() map[string]string {
	all := map[string]string{}
	add := func(reason, prefix string, fields ...string) {
		for _, field := range fields {
			all[prefix+field] = reason
		}
	}
	const bookkeeping, kubelet = "says who wrote what and when", "the kubelet's, on whichever node"
	add(bookkeeping, "metadata.", "creationTimestamp", "finalizers", "generateName", "generation", "managedFields",
		"resourceVersion", "selfLink")
	add("a user's own; upstream's plugins read none either", "metadata.", "annotations")
	add("a pod that is being deleted is not decided about", "metadata.", "deletionTimestamp", "deletionGracePeriodSeconds")
	add("names the pod, and chooses among equals, which is done anew for each pod", "metadata.", "uid")
	add("the controller is known by its kind and UID", "metadata.ownerReferences.", "name")
	add("the garbage collector's", "metadata.ownerReferences.", "blockOwnerDeletion")

	add("picks the profile, whose name is in the key", "spec.", "schedulerName")
	add("the pod is decided about once it has none", "spec.", "schedulingGates")
	add("its number is in spec.priority", "spec.", "priorityClassName")
	add("what it asks of nodes is in overhead, nodeSelector and tolerations, which are read", "spec.", "runtimeClassName")
	add("upstream's scheduler does not read it either: a nodeSelector keeps pods off nodes of another system", "spec.", "os")
	add("needs DynamicResources, a plugin that is not here", "spec.", "resourceClaims", "resources.claims")
	add("needs gang scheduling, which is not here", "spec.", "schedulingGroup")
	add("only requests count", "spec.", "resources.limits")
	add("about the eviction of a pod that runs", "spec.", "evictionResponders", "tolerations.tolerationSeconds")
	add(kubelet, "spec.", "activeDeadlineSeconds", "automountServiceAccountToken", "dnsConfig", "dnsPolicy",
		"enableServiceLinks", "hostAliases", "hostIPC", "hostPID", "hostUsers", "hostname", "hostnameOverride",
		"imagePullSecrets", "readinessGates", "restartPolicy", "securityContext", "serviceAccount", "serviceAccountName",
		"setHostnameAsFQDN", "shareProcessNamespace", "subdomain", "terminationGracePeriodSeconds")
	add("the API server has made host ports of the containers' ports", "spec.", "hostNetwork")
	add("come when the pod has run for a while, and request nothing", "spec.", "ephemeralContainers")
	for _, containers := range []string{"spec.containers.", "spec.initContainers."} {
		add("only requests count", containers, "resources.limits")
		add("needs DynamicResources, a plugin that is not here", containers, "resources.claims")
		add("only ports of the node are taken", containers, "ports.name", "ports.containerPort")
		add(kubelet, containers, "args", "command", "env", "envFrom", "imagePullPolicy", "lifecycle", "livenessProbe", "name",
			"readinessProbe", "resizePolicy", "restartPolicyRules", "securityContext", "startupProbe", "stdin", "stdinOnce",
			"terminationMessagePath", "terminationMessagePolicy", "tty", "volumeDevices", "volumeMounts", "workingDir")
	}
	add("only init containers can be sidecars", "spec.containers.", "restartPolicy")

	add("the claim says how it may be used", "spec.volumes.persistentVolumeClaim.", "readOnly")
	add("the claim that is made of it is read, once it is there", "spec.volumes.ephemeral.", "volumeClaimTemplate")
	add("needs NodeVolumeLimits and the other checks of VolumeRestrictions, which are not here", "spec.volumes.",
		"awsElasticBlockStore", "azureDisk", "cinder", "gcePersistentDisk", "iscsi", "rbd", "csi")
	add(kubelet, "spec.volumes.", "azureFile", "cephfs", "configMap", "downwardAPI", "emptyDir", "fc", "flexVolume", "flocker",
		"gitRepo", "glusterfs", "hostPath", "image", "nfs", "photonPersistentDisk", "portworxVolume", "projected", "quobyte",
		"scaleIO", "secret", "storageos", "vsphereVolume")
	return all
}

// Every field of a pod is read by a plugin that says so, and then pods that differ in it have shapes of their own; or it is one
// of unread. A field that a new version of Kubernetes brings is neither, until somebody has looked at it.
func TestEveryFieldOfAPodIsInTheKeyOrUnread(t *testing.T) {
	profile := DefaultProfile()
	reads := slices.Clone(everyShape)
	for _, row := range profile.plugins {
		reads = append(reads, row.reads...)
	}
	inKey := fieldsInKey(profile)
	for path, is := range inKey {
		read := slices.ContainsFunc(reads, func(field string) bool { return within(path, field) || within(field, path) })
		_, reason := reasonFor(path)
		switch {
		case is && !read:
			t.Errorf("%s is in the key, and no plugin says that it reads it", path)
		case !is && !reason:
			t.Errorf("%s is not in the key: either a plugin reads it, or it is one of unread", path)
		}
	}
	for _, field := range reads {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(inKey)), func(path string) bool { return inKey[path] && within(path, field) }) {
			t.Errorf("a plugin says that it reads %s, and it is in no key", field)
		}
	}
	for field := range unread {
		found := false
		for path, is := range inKey {
			found = found || within(path, field)
			if is && within(path, field) {
				t.Errorf("%s is one of unread, and %s is in the key", field, path)
			}
		}
		if !found {
			t.Errorf("%s is one of unread, and pods have no such field", field)
		}
	}
}

// Whichever row forgets its part of the key, the test above finds a field that is missing.
func TestAForgottenFieldIsFound(t *testing.T) {
	whole := fieldsInKey(DefaultProfile())
	for i, row := range plugins() {
		if row.key == nil && row.clusterKey == nil {
			continue
		}
		profile := DefaultProfile()
		profile.plugins[i].key, profile.plugins[i].clusterKey = nil, nil
		missing := 0
		for path, is := range fieldsInKey(profile) {
			if whole[path] && !is {
				missing++
			}
		}
		// They have the pods that share a claim, and the places of its volume; the claims are in VolumeBinding's part.
		if row.name == VolumeRestrictions || row.name == VolumeZone {
			continue
		}
		require.NotZero(t, missing, row.name)
	}
}

// What the informers drop of a pod is not in the key either.
func TestSlimPodsHaveTheSameKey(t *testing.T) {
	for name, pod := range fullPods() {
		want := shapeKey(DefaultProfile(), NewSnapshot(), pod)
		_, err := Slim(pod)
		require.NoError(t, err)
		require.Equal(t, want, shapeKey(DefaultProfile(), NewSnapshot(), pod), name)
	}
}

// within reports whether the path is the field, or in it.
func within(path, field string) bool { return path == field || strings.HasPrefix(path, field+".") }

func reasonFor(path string) (string, bool) {
	for field, reason := range unread {
		if within(path, field) {
			return reason, true
		}
	}
	return "", false
}

// fullPods have something in every field. Some fields hide others, so that there are several.
func fullPods() map[string]*corev1.Pod {
	pods := map[string]*corev1.Pod{}
	for name, change := range map[string]func(*corev1.Pod){
		"claim":     func(pod *corev1.Pod) { pod.Spec.Volumes[0].Ephemeral, pod.Spec.Resources = nil, nil },
		"ephemeral": func(pod *corev1.Pod) { pod.Spec.Volumes[0].PersistentVolumeClaim, pod.Spec.Resources = nil, nil },
		"pod level": func(*corev1.Pod) {},
	} {
		pod := &corev1.Pod{}
		fill(reflect.ValueOf(&pod.ObjectMeta).Elem())
		fill(reflect.ValueOf(&pod.Spec).Elem())
		always := corev1.ContainerRestartPolicyAlways
		pod.Spec.InitContainers[0].RestartPolicy = &always
		pod.OwnerReferences[0].APIVersion, pod.OwnerReferences[0].Kind = "apps/v1", "ReplicaSet"
		change(pod)
		pods[name] = pod
	}
	return pods
}

// fieldsInKey are all fields of a pod, and whether the key of its shape is another once the field is.
func fieldsInKey(p *Profile) map[string]bool {
	found := map[string]bool{}
	for _, pod := range fullPods() {
		key, snapshot := shapeKey(p, NewSnapshot(), pod), NewSnapshot()
		tell := func(path string) {
			found[path] = found[path] || shapeKey(p, snapshot, pod) != key
		}
		alter(reflect.ValueOf(&pod.ObjectMeta).Elem(), "metadata", tell)
		alter(reflect.ValueOf(&pod.Spec).Elem(), "spec", tell)
	}
	return found
}

// fill puts something into every field.
func fill(v reflect.Value) {
	if leaf(v) {
		set(v, 1)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		key.SetString("cpu") // of most maps any name will do
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic("a field of a kind that the test does not know: " + v.Type().String())
	}
}

// alter changes every field, tells, and changes it back.
func alter(v reflect.Value, path string, tell func(path string)) {
	before := reflect.New(v.Type()).Elem()
	before.Set(v)
	if leaf(v) {
		set(v, 1000)
		tell(path)
		v.Set(before)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name := fieldName(v.Type().Field(i))
			if name == "" {
				alter(v.Field(i), path, tell)
			} else {
				alter(v.Field(i), path+"."+name, tell)
			}
		}
		return
	case reflect.Pointer:
		if !v.IsNil() {
			alter(v.Elem(), path, tell)
		}
	case reflect.Slice:
		for i := range v.Len() {
			alter(v.Index(i), path, tell)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(value)
			set(value, 1000)
			changed := reflect.MakeMap(v.Type())
			changed.SetMapIndex(key, value)
			v.Set(changed)
			tell(path)
			v.Set(before)
		}
	}
	v.SetZero() // and without it
	tell(path)
	v.Set(before)
}

// fieldName is the field's name in JSON; empty for one whose fields are those of the object it is in.
func fieldName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// leaf reports whether the value is looked at as a whole.
func leaf(v reflect.Value) bool {
	switch v.Interface().(type) {
	case resource.Quantity, metav1.Time, metav1.FieldsV1, []byte:
		return true
	}
	switch v.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64:
		return true
	}
	return false
}

func set(v reflect.Value, to int64) {
	switch v.Interface().(type) {
	case resource.Quantity:
		v.Set(reflect.ValueOf(*resource.NewQuantity(to, resource.DecimalSI)))
		return
	case metav1.Time:
		v.Set(reflect.ValueOf(metav1.Unix(to, 0)))
		return
	case metav1.FieldsV1, []byte:
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("x" + strings.Repeat("y", int(to%10)) + strings.Repeat("z", int(to/1000)))
	case reflect.Bool:
		v.SetBool(to == 1)
	default:
		v.SetInt(to)
	}
}

func TestSlimKeepsClaims(t *testing.T) {
	pod := testPod("db", nil)
	pod.Spec.Volumes = []corev1.Volume{{Name: "scratch"}, {Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
	}}}
	_, err := Slim(pod)
	require.NoError(t, err)
	claims, _ := podClaims(pod)
	require.Equal(t, []string{"data"}, claims)
	require.Len(t, pod.Spec.Volumes, 1)
}
