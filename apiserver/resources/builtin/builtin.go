// Package builtin puts the rows of all API groups together into the table that a server starts with.
//
// It stands below package resources because the groups import that package, to say what their rows are. Its tests hold the whole
// table to what the verbs count on, and play the scenarios of every group: testdata/<noun>/*.txt in the folder of the group.
package builtin

import (
	"slices"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/apps"
	"minik.dev/apiserver/resources/authentication"
	"minik.dev/apiserver/resources/authorization"
	"minik.dev/apiserver/resources/autoscaling"
	"minik.dev/apiserver/resources/batch"
	"minik.dev/apiserver/resources/certificates"
	"minik.dev/apiserver/resources/coordination"
	"minik.dev/apiserver/resources/core"
	"minik.dev/apiserver/resources/discovery"
	"minik.dev/apiserver/resources/flowcontrol"
	"minik.dev/apiserver/resources/minik"
	"minik.dev/apiserver/resources/networking"
	"minik.dev/apiserver/resources/node"
	"minik.dev/apiserver/resources/policy"
	"minik.dev/apiserver/resources/rbac"
	"minik.dev/apiserver/resources/resource"
	"minik.dev/apiserver/resources/scheduling"
	"minik.dev/apiserver/resources/storage"
	"minik.dev/apiserver/resources/storagemigration"
)

// All makes the table: a fresh copy, for the caller to keep. Discovery lists groups and resources in its order, which is upstream's.
func All() []*resources.Resource {
	return slices.Concat(
		core.Resources(),
		apps.Resources(),
		authentication.Resources(),
		authorization.Resources(),
		autoscaling.Resources(),
		batch.Resources(),
		certificates.Resources(),
		networking.Resources(),
		policy.Resources(),
		rbac.Resources(),
		storage.Resources(),
		scheduling.Resources(),
		coordination.Resources(),
		node.Resources(),
		discovery.Resources(),
		resource.Resources(),
		flowcontrol.Resources(),
		storagemigration.Resources(),
		minik.Resources(),
	)
}
