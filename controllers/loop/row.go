package loop

import (
	"context"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
)

// Row is one controller of the table.
type Row struct {
	// Name is the User-Agent, the source of its Events and the actor in the journal; upstream's.
	Name string
	// Workers is how many keys are worked on at the same time.
	Workers int
	// New makes the controller. It starts nothing.
	New func(Env) (Controller, error)
	// About is the resource whose objects are its keys: it can be asked what it would do about one of them. It is zero for
	// a controller that needs more than the API to know what it wants, such as the cluster's pool of addresses.
	About schema.GroupResource
	// SeenAt, where there is one, is when the controller saw what it has noted of a key. A rehearsal fills the caches at that
	// time of its clock; where there is none, at the time it is asked about.
	SeenAt func(ctx context.Context, client kubernetes.Interface, key string, asked time.Time) time.Time
}

// Held is the controller as one holds it: "controller/" and its name without the end.
func (r Row) Held() string { return "controller/" + strings.TrimSuffix(r.Name, "-controller") }
