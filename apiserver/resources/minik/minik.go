package minik

import "minik.dev/apiserver/resources"

// Resources are the rows of minik.dev/v1, in discovery's order.
func Resources() []*resources.Resource {
	return []*resources.Resource{
		controls(),
		revisions(),
	}
}
