package loop

import (
	"strings"
)

// Row is one controller of the table.
type Row struct {
	Name string
	// Workers is how many keys are worked on at the same time.
	Workers int
	New     func(Env) (Controller, error)
}

// Held is the controller as one holds it.
func (r Row) Held() string { return "controller/" + strings.TrimSuffix(r.Name, "-controller") }
