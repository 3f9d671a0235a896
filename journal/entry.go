package journal

import (
	"time"

	"minik.dev/api"
)

// RestoreVerb is the verb of the entry that says of the restore of a snapshot. It is about no object.
const RestoreVerb = "restore"

// Entry is what the store keeps of one write. Its revision is that of the transaction it was written in, so it is not
// part of the value.
type Entry struct {
	Actor       api.Actor `json:"actor"`
	Verb        string    `json:"verb"`
	Group       string    `json:"group,omitempty"`
	Resource    string    `json:"resource"`
	Namespace   string    `json:"namespace,omitempty"`
	Name        string    `json:"name"`
	Subresource string    `json:"subresource,omitempty"`
	Causes      []string  `json:"causes,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	Time        time.Time `json:"time"`
}
