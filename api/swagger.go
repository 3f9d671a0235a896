package api

// The texts below are what `kubectl explain` prints.

// SwaggerDoc describes a Revision.
func (Revision) SwaggerDoc() map[string]string {
	return map[string]string{
		"": "Revision says of one write to the store who made it, why, and because of which earlier writes. It is read-only. " +
			"Its metadata.name is the store's revision.",
		"metadata":    "Standard object's metadata. The name is the revision in decimal.",
		"actor":       "actor is who made the write.",
		"verb":        "verb is the request's verb: create, update, patch or delete.",
		"apiGroup":    "apiGroup is the group of the object that was written; empty is the core group.",
		"resource":    "resource is the plural name of the object's kind, for example pods.",
		"namespace":   "namespace of the object that was written; empty for cluster-scoped kinds.",
		"name":        "name of the object that was written.",
		"subresource": "subresource is what the request addressed below the object, for example status or binding.",
		"causes": "causes are the revisions that made the actor act, newest first, and timer where a clock did. A write without " +
			"a cause came from outside the cluster.",
		"reason": "reason is the sentence of the decision that led to the write.",
		"time":   "time is when the API server received the write.",
	}
}

// SwaggerDoc describes a list of revisions.
func (RevisionList) SwaggerDoc() map[string]string {
	return map[string]string{
		"": "RevisionList is a list of revisions, newest first.", "metadata": "Standard list metadata.", "items": "The revisions.",
	}
}

// SwaggerDoc describes an Actor.
func (Actor) SwaggerDoc() map[string]string {
	return map[string]string{
		"":          "Actor is who made a write.",
		"user":      "user is the authenticated name, for example system:kube-scheduler.",
		"component": "component is the program and its part, for example kubectl or replicaset-controller.",
		"command":   "command is kubectl's own name for what it did, for example kubectl apply.",
		"session":   "session groups the writes of one command; kubectl makes one up for each run.",
	}
}

// SwaggerDoc describes a Control.
func (Control) SwaggerDoc() map[string]string {
	return map[string]string{
		"": "Control is what is done to one component of the cluster. Its name is the component's: kubelet.node-2 is the " +
			"kubelet of node-2.",
		"metadata": "Standard object's metadata.",
		"spec":     "spec is what the component is asked to do.",
		"status":   "status is what a held component says of itself.",
	}
}

// SwaggerDoc describes a list of controls.
func (ControlList) SwaggerDoc() map[string]string {
	return map[string]string{"": "ControlList is a list of controls.", "metadata": "Standard list metadata.",
		"items": "The controls."}
}

// SwaggerDoc describes a ControlSpec.
func (ControlSpec) SwaggerDoc() map[string]string {
	return map[string]string{
		"": "ControlSpec is what a component is asked to do.",
		"stopped": "stopped takes the power from a node: every container is killed and nothing is reported any more, until it is " +
			"false again or the control is deleted. Only kubelets may be stopped.",
		"held": "held keeps the component from its next decision. What is no decision goes on: heartbeats, reports of what is, " +
			"and connections that stand. It holds a scheduler, a proxy, dns, controller.<name> and kubelet.<node>.",
		"steps": "steps is how many decisions may be made while the component is held, counted over all of its life: one more " +
			"than status.steps lets one decision through.",
	}
}

// SwaggerDoc describes a ControlStatus.
func (ControlStatus) SwaggerDoc() map[string]string {
	return map[string]string{
		"":         "ControlStatus is what a held component says of itself.",
		"holding":  "holding says that the component is held and that no decision is under way.",
		"waiting":  "waiting is how many decisions wait.",
		"next":     "next is what the first decision that waits is about.",
		"steps":    "steps is how many of spec.steps were taken.",
		"decided":  "decided is how many of the steps that were taken are done.",
		"decision": "decision says what the last step was about and what came of it.",
	}
}
