package loop

import (
	"context"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
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
	// About is the resource whose objects are its keys; zero where its keys are something else.
	About schema.GroupResource
	// Needs is what the controller has to know besides what the API says. One that needs nothing, "", can be asked what it
	// would do about an object.
	Needs string
	// RolloutStatus, where there is one, is how far an object of that resource is.
	RolloutStatus func(runtime.Object) RolloutStatus
	// SeenAt, where there is one, is when the controller saw what it has noted of a key. A rehearsal fills the caches at that
	// time of its clock; where there is none, at the time it is asked about.
	SeenAt func(ctx context.Context, client kubernetes.Interface, key string, asked time.Time) time.Time
}

// Held is the controller as one holds it: "controller/" and its name without the end.
func (r Row) Held() string { return "controller/" + strings.TrimSuffix(r.Name, "-controller") }
