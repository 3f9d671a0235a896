// Package minik has the rows of minik.dev/v1, the group of minik's own kinds (package api has their Go types): Controls, by which
// controllers are held and stepped, and Revisions, which are the journal's entries.
package minik

import "minik.dev/apiserver/resources"

// Resources are the rows of minik.dev/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		controls(),
		revisions(),
	}
}
