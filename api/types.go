package api

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and the version of minik's own kinds.
var GroupVersion = schema.GroupVersion{Group: "minik.dev", Version: "v1"}

// Revision is one journal entry as clients read it. Its metadata.name is the store's revision in decimal.
type Revision struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Actor is who made the write.
	Actor Actor `json:"actor"`
	// Verb is the request's verb: create, update, patch or delete.
	Verb string `json:"verb"`
	// APIGroup is the group of the object that was written; empty is the core group.
	APIGroup string `json:"apiGroup,omitempty"`
	// Resource is the plural name of the object's kind, for example "pods".
	Resource string `json:"resource"`
	// Namespace and Name name the object; Namespace is empty for cluster-scoped kinds.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Subresource is what the request addressed below the object, for example "status" or "binding".
	Subresource string `json:"subresource,omitempty"`
	// Causes are the revisions that made the actor act, newest first, and "timer" where a clock did. A write without a
	// cause came from outside the cluster.
	Causes []string `json:"causes,omitempty"`
	// Reason is the sentence of the decision that led to the write, naming the numbers or fields that differed.
	Reason string `json:"reason,omitempty"`
	// Time is when the API server received the write.
	Time metav1.MicroTime `json:"time"`
}

// Actor is who made a write.
type Actor struct {
	// User is the authenticated name, for example "system:kube-scheduler".
	User string `json:"user"`
	// Component is the program and its part, as its User-Agent names it: "kubectl", "replicaset-controller", "kubelet".
	Component string `json:"component,omitempty"`
	// Command is kubectl's own name for what it did, for example "kubectl apply".
	Command string `json:"command,omitempty"`
	// Session groups the writes of one command; kubectl makes one up for each run.
	Session string `json:"session,omitempty"`
}

// RevisionList is a list of revisions.
type RevisionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Revision `json:"items"`
}

// Control is what is done to one component. Its name is [ControlName] of the component: "kubelet.node-2".
type Control struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ControlSpec   `json:"spec,omitempty"`
	Status ControlStatus `json:"status,omitempty"`
}

// ControlSpec is what the component is asked to do.
type ControlSpec struct {
	// Stopped takes the power from a node: its kubelet kills every container, stops its heartbeat and reports nothing, until
	// the field is false again or the control is deleted. Only kubelets may be stopped.
	Stopped bool `json:"stopped,omitempty"`
	// Held keeps the component from its next decision. What is no decision goes on: heartbeats, reports of what is, and
	// connections that stand. A scheduler, a proxy, the name server, a controller and a kubelet can be held.
	Held bool `json:"held,omitempty"`
	// Steps is how many decisions may be made while the component is held, counted over all of its life: one more than
	// status.steps lets one decision through.
	Steps int64 `json:"steps,omitempty"`
}

// ControlStatus is what a held component says of itself. Nobody writes it for a component that does not run, and a node
// without power says nothing.
type ControlStatus struct {
	// Holding says that the component is held and that no decision is under way.
	Holding bool `json:"holding,omitempty"`
	// Waiting is how many decisions wait, and Next what the first of them is about.
	Waiting int32  `json:"waiting,omitempty"`
	Next    string `json:"next,omitempty"`
	// Steps is how many of spec.steps were taken, Decided how many of those are done. Decision says what the last of them
	// was about and what came of it.
	Steps    int64  `json:"steps,omitempty"`
	Decided  int64  `json:"decided,omitempty"`
	Decision string `json:"decision,omitempty"`
}

// ControlList is a list of controls.
type ControlList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Control `json:"items"`
}

// ControlName is the name of the control of one component: "scheduler" keeps its name, "kubelet/node-2" becomes
// "kubelet.node-2", because an object's name cannot hold a slash.
func ControlName(component string) string { return strings.Replace(component, "/", ".", 1) }

// AddToScheme registers minik's own kinds.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &Revision{}, &RevisionList{}, &Control{}, &ControlList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
