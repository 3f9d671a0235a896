package history

import (
	"time"

	"minik.dev/api"
	"minik.dev/journal"
)

// stepJSON is a step as `minik trace -o json` writes it.
type stepJSON struct {
	Revision    int64     `json:"revision"`
	Time        time.Time `json:"time"`
	TookSeconds float64   `json:"tookSeconds"`
	Clock       bool      `json:"clock,omitempty"`
	Actor       api.Actor `json:"actor"`
	Verb        string    `json:"verb"`
	APIGroup    string    `json:"apiGroup,omitempty"`
	Resource    string    `json:"resource"`
	Namespace   string    `json:"namespace,omitempty"`
	Name        string    `json:"name"`
	Subresource string    `json:"subresource,omitempty"`
	Causes      []string  `json:"causes,omitempty"`
	// LostCauses are those causes of which no entry is kept.
	LostCauses []string   `json:"lostCauses,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	Effects    []stepJSON `json:"effects,omitempty"`
}

// traceDocument is the whole of `minik trace -o json`.
type traceDocument struct {
	Resource  string     `json:"resource"`
	APIGroup  string     `json:"apiGroup,omitempty"`
	Namespace string     `json:"namespace,omitempty"`
	Name      string     `json:"name"`
	Steps     []stepJSON `json:"steps"`
}

// TraceJSON is the trees around an object for json.Marshal.
func TraceJSON(roots []*journal.Step, object journal.Object) any {
	return traceDocument{Resource: object.Resource, APIGroup: object.Group, Namespace: object.Namespace, Name: object.Name,
		Steps: stepsJSON(roots)}
}

func stepsJSON(steps []*journal.Step) []stepJSON {
	var out []stepJSON
	for _, s := range steps {
		out = append(out, stepJSON{
			Revision: s.Number, Time: s.Time.UTC(), TookSeconds: s.Took.Seconds(), Clock: s.Clock, Actor: s.Actor, Verb: s.Verb,
			APIGroup: s.APIGroup, Resource: s.Resource, Namespace: s.Namespace, Name: s.Name, Subresource: s.Subresource,
			Causes: s.Causes, LostCauses: s.Lost, Reason: s.Reason, Effects: stepsJSON(s.Effects),
		})
	}
	return out
}
