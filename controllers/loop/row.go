package loop

import "strings"

// Row is one controller of the table.
type Row struct {
	// Name is the User-Agent, the source of its Events and the actor in the journal; upstream's.
	Name string
	// Workers is how many keys are worked on at the same time.
	Workers int
	// New makes the controller. It starts nothing.
	New func(Env) (Controller, error)
}

// Held is the controller as one holds it: "controller/" and its name without the end.
func (r Row) Held() string { return "controller/" + strings.TrimSuffix(r.Name, "-controller") }
