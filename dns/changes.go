package dns

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// changes is what a new zone does to the answers: the decision that the server makes when Services or EndpointSlices change.
type changes []change

// change is one name whose answers differ. What it had and has is in words; "" where the name did not exist.
type change struct {
	host    string
	was, is string
}

// mostChanges is how many names a decision tells.
const mostChanges = 3

// between is the difference of two zones: Services' and pods' own names first, then those that only lead to them.
func between(old, wanted *zone) changes {
	var out changes
	for host := range old.names {
		if c := (change{host, old.names[host].String(), wanted.names[host].String()}); c.was != c.is {
			out = append(out, c)
		}
	}
	for host, n := range wanted.names {
		if old.names[host] == nil {
			out = append(out, change{host: host, is: n.String()})
		}
	}
	slices.SortFunc(out, func(a, b change) int {
		return cmp.Or(a.weight()-b.weight(), strings.Compare(a.host, b.host))
	})
	return out
}

// weight puts first what somebody would ask for.
func (c change) weight() int {
	switch {
	case c.is == empty || c.is == "" && c.was == empty:
		return 3
	case strings.HasSuffix(c.host, ".arpa."):
		return 2
	case strings.HasPrefix(c.host, "_"):
		return 1
	}
	return 0
}

// empty is a name that has no records, and names below it.
const empty = "no records"

// String tells the name's records; "" where there is no such name.
func (n *name) String() string {
	if n == nil {
		return ""
	}
	var records []string
	for _, a := range n.addresses {
		records = append(records, a.String())
	}
	for _, s := range n.services {
		records = append(records, fmt.Sprintf("%s:%d", s.host, s.port))
	}
	records = append(records, n.pointers...)
	if n.alias != "" {
		records = append(records, "an alias of "+n.alias)
	}
	if n.text != "" {
		records = append(records, fmt.Sprintf("%q", n.text))
	}
	if len(records) == 0 {
		return empty
	}
	return strings.Join(records, ", ")
}

// String tells the most important names, and how many more there are.
func (cs changes) String() string {
	var parts []string
	for _, c := range cs[:min(len(cs), mostChanges)] {
		switch {
		case c.was == "":
			parts = append(parts, fmt.Sprintf("%s is new: %s", c.host, c.is))
		case c.is == "":
			parts = append(parts, fmt.Sprintf("%s is gone, was %s", c.host, c.was))
		default:
			parts = append(parts, fmt.Sprintf("%s is %s, was %s", c.host, c.is, c.was))
		}
	}
	switch more := len(cs) - len(parts); more {
	case 0:
	case 1:
		parts = append(parts, "and 1 name more")
	default:
		parts = append(parts, fmt.Sprintf("and %d names more", more))
	}
	return strings.Join(parts, "; ")
}
