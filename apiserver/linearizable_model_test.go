package apiserver

import (
	"fmt"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// asked is what a client asked of one ConfigMap.
type asked struct {
	verb  string // create, update, delete or get
	value string // what is written; no two writes write the same
	was   int64  // the resourceVersion that an update or a delete requires; 0 is none
}

// outcome is what it was told.
type outcome struct {
	unknown bool                // it was told nothing: the connection was lost, or time was up
	refused metav1.StatusReason // "" where it was done
	value   string              // what a get read
	version int64               // the resourceVersion that a get, a create or an update was answered with
}

// one is the only ConfigMap of a partition, as it is between two operations.
type one struct {
	value string // "" where there is none
	// version is the object's resourceVersion, and 0 where nobody was told: its writer was not answered, and nobody has
	// read it yet.
	version int64
	// newest is the largest resourceVersion that anybody was told; what is written later has a larger one.
	newest int64
}

// oneConfigMap says which outcomes the documented meanings of the verbs allow (Kubernetes API Concepts): a create makes what
// is not there, an update and a delete may require a resourceVersion, and a get without one sees the most recent state.
var oneConfigMap = porcupine.Model{
	Init: func() any { return one{} },
	Step: func(state, input, output any) (bool, any) { return step(state.(one), input.(asked), output.(outcome)) },
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%+v → %+v", input.(asked), output.(outcome))
	},
}

func step(s one, a asked, o outcome) (bool, one) {
	there, current := s.value != "", a.was == 0 || a.was == s.version
	switch {
	case o.unknown:
		// It may take effect at any time after it was asked for, and the end of all time is one: never is allowed too.
		if allowed(s, a) == "" {
			return true, s.after(a, 0)
		}
		return true, s
	case o.refused == metav1.StatusReasonAlreadyExists:
		return a.verb == "create" && there, s
	case o.refused == metav1.StatusReasonNotFound:
		return a.verb != "create" && !there, s
	case o.refused == metav1.StatusReasonConflict:
		return a.verb != "create" && there && !current, s
	case o.refused != "" || allowed(s, a) != "":
		return false, s
	case a.verb == "get":
		told := one{value: s.value, version: o.version, newest: max(s.newest, o.version)}
		return o.value == s.value && (o.version == s.version || s.version == 0 && o.version > s.newest), told
	case a.verb == "delete":
		return true, s.after(a, 0)
	}
	return o.version > s.newest, s.after(a, o.version)
}

// allowed is why the operation is refused in the state, or "".
func allowed(s one, a asked) metav1.StatusReason {
	switch there := s.value != ""; {
	case a.verb == "create" && there:
		return metav1.StatusReasonAlreadyExists
	case a.verb != "create" && !there:
		return metav1.StatusReasonNotFound
	case a.was != 0 && a.was != s.version:
		return metav1.StatusReasonConflict
	}
	return ""
}

// after is the state that a write leaves.
func (s one) after(a asked, version int64) one {
	switch a.verb {
	case "get":
		return s
	case "delete":
		return one{newest: s.newest}
	}
	return one{value: a.value, version: version, newest: max(s.newest, version)}
}

// settle bounds when operations of unknown outcome took effect, which without it could be any time until the end: the search
// for an order would take as long. What requires a resourceVersion has no effect after somebody was told of a newer one, and
// what was read has had its effect.
func settle(history []porcupine.Operation) {
	for i := range history {
		unsettled, a := &history[i], history[i].Input.(asked)
		if !unsettled.Output.(outcome).unknown {
			continue
		}
		for _, later := range history {
			o := later.Output.(outcome)
			passed := a.was != 0 && o.version > a.was
			read := a.value != "" && o.value == a.value
			if (passed || read) && later.Return >= unsettled.Call {
				unsettled.Return = min(unsettled.Return, later.Return)
			}
		}
	}
}

// The model refuses what it is there to find: a check that always passes is none.
func TestTheModelFindsWhatIsWrong(t *testing.T) {
	type told = porcupine.Operation
	at := func(call, end int64, a asked, o outcome) told {
		return told{Input: a, Output: o, Call: call, Return: end}
	}
	reads := func(value string, version int64) outcome { return outcome{value: value, version: version} }
	get, update := asked{verb: "get"}, asked{verb: "update", value: "b", was: 5}
	made := at(1, 2, asked{verb: "create", value: "a"}, outcome{version: 5})
	changed := at(3, 4, update, outcome{version: 6})
	unknown := at(3, 99, update, outcome{unknown: true})
	for name, x := range map[string]struct {
		history []told
		want    bool
	}{
		"a read sees the last write":   {[]told{made, changed, at(5, 6, get, reads("b", 6))}, true},
		"a read is stale":              {[]told{made, changed, at(5, 6, get, reads("a", 5))}, false},
		"it was at the same time":      {[]told{made, changed, at(3, 6, get, reads("a", 5))}, true},
		"a read finds nothing":         {[]told{made, at(5, 6, get, outcome{refused: metav1.StatusReasonNotFound})}, false},
		"a version goes back":          {[]told{made, at(3, 4, update, outcome{version: 4})}, false},
		"an update is lost":            {[]told{made, changed, at(5, 6, update, outcome{version: 7})}, false},
		"a conflict with nobody":       {[]told{made, at(3, 4, update, outcome{refused: metav1.StatusReasonConflict})}, false},
		"unknown, and done":            {[]told{made, unknown, at(5, 6, get, reads("b", 6))}, true},
		"unknown, and not done":        {[]told{made, unknown, at(5, 6, get, reads("a", 5))}, true},
		"unknown, and done later":      {[]told{made, unknown, at(5, 6, get, reads("a", 5)), at(7, 8, get, reads("b", 6))}, true},
		"unknown, done and undone":     {[]told{made, unknown, at(5, 6, get, reads("b", 6)), at(7, 8, get, reads("a", 5))}, false},
		"unknown, with an old version": {[]told{made, unknown, at(5, 6, get, reads("b", 5))}, false},
	} {
		require.Equal(t, x.want, porcupine.CheckOperations(oneConfigMap, x.history), name)
		settle(x.history)
		require.Equal(t, x.want, porcupine.CheckOperations(oneConfigMap, x.history), "settled: "+name)
	}
}
