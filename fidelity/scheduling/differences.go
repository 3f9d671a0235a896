package scheduling

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// difference is one that two verdicts have, with what varies from pod to pod taken out, so that those of one reason are one.
type difference struct {
	what            string // what the verdicts are about: gated, refused, rejected, score, winner, message, preemption
	upstream, minik string
}

// String is the line of the difference, as it stands in known.txt.
func (d difference) String() string {
	return fmt.Sprintf("%s: upstream %s, minik %s", d.what, d.upstream, d.minik)
}

// found counts differences, and keeps where each was seen first.
type found struct {
	decisions, differing int
	count                map[difference]int
	example              map[difference]string
	decided              map[string]int // how often each part of upstream's verdicts said something
}

func newFound() *found {
	return &found{count: map[difference]int{}, example: map[difference]string{}, decided: map[string]int{}}
}

// note counts what upstream's verdict is made of: whether everything is there often enough to be compared.
func (f *found) note(v verdict) {
	for part, r := range map[string]*rejection{"gated": v.gated, "refused": v.refused} {
		if r != nil {
			f.decided[part+" by "+r.plugin]++
		}
	}
	for _, r := range v.rejected {
		f.decided["rejected by "+r.plugin]++
	}
	for _, scores := range v.scores {
		for plugin, score := range scores {
			if score > 0 {
				f.decided["scored by "+plugin]++
			}
		}
	}
	for range v.victims {
		f.decided["victims"]++
	}
	if v.withdrawn {
		f.decided["withdrawn"]++
	}
	if v.waits {
		f.decided["waits"]++
	}
}

// compare adds what the two verdicts on a pod differ in. Of scores and victims nothing is said where the nodes that fit differ: those
// would differ for that alone.
func (f *found) compare(pod *corev1.Pod, up, mi verdict, where string) bool {
	f.decisions++
	f.note(up)
	differs := false
	add := func(what, u, m, detail string) {
		differs = true
		d := difference{what, general(u), general(m)}
		if f.count[d]++; f.count[d] == 1 {
			f.example[d] = where + ": " + detail
		}
	}
	if up.broken != "" || mi.broken != "" {
		add("broken", up.broken, mi.broken, up.broken+" / "+mi.broken)
		f.differing++
		return true
	}
	compareRejections(up, mi, add)
	if !differs {
		compareScores(up, mi, add)
		compareWinners(pod, up, mi, add)
		comparePreemption(up, mi, add)
		if u, m := comparable(pod, up), comparable(pod, mi); u != m {
			add("message", u, m, up.message+" / "+mi.message)
		}
	}
	if differs {
		f.differing++
	}
	return differs
}

func compareRejections(up, mi verdict, add func(what, u, m, detail string)) {
	said := func(r *rejection) string {
		if r == nil {
			return "lets it pass"
		}
		return "says " + r.String()
	}
	for _, sort := range []struct {
		what   string
		up, mi *rejection
	}{{"gated", up.gated, mi.gated}, {"refused", up.refused, mi.refused}} {
		if sort.up != nil && sort.mi != nil && sort.up.plugin == "" {
			sort.up.plugin = sort.mi.plugin // several are to blame, and upstream names none
		}
		if u, m := said(sort.up), said(sort.mi); u != m {
			add(sort.what, u, m, u+" / "+m)
			return
		}
	}
	for _, node := range sortedNodes(up.rejected, mi.rejected) {
		var u, m *rejection
		if r, ok := up.rejected[node]; ok {
			u = &r
		}
		if r, ok := mi.rejected[node]; ok {
			m = &r
		}
		if u != nil && m != nil && u.plugin == "" && m.unresolvable {
			continue // upstream did not even ask
		}
		if said(u) != said(m) {
			add("rejected", said(u), said(m), fmt.Sprintf("%s: %s / %s", node, said(u), said(m)))
		}
	}
}

func sortedNodes[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// compareScores is plugin by plugin. One that one side does not ask at all must give every node the same on the other.
func compareScores(up, mi verdict, add func(what, u, m, detail string)) {
	plugins := map[string]bool{}
	for _, scores := range []map[string]map[string]int64{up.scores, mi.scores} {
		for _, byPlugin := range scores {
			for plugin := range byPlugin {
				plugins[plugin] = true
			}
		}
	}
	for plugin := range plugins {
		var detail []string
		apart, asked, alike := false, [2]bool{}, [2]map[int64]bool{{}, {}}
		for _, node := range sortedNodes(up.scores, mi.scores) {
			u, byUpstream := up.scores[node][plugin]
			m, byMinik := mi.scores[node][plugin]
			asked[0], asked[1] = asked[0] || byUpstream, asked[1] || byMinik
			alike[0][u], alike[1][m] = true, true
			apart = apart || u != m
			detail = append(detail, fmt.Sprintf("%s %d / %d", node, u, m))
		}
		if apart && (asked == [2]bool{true, true} || len(alike[0]) > 1 || len(alike[1]) > 1) {
			add("score", "gives "+plugin+" one", "another", plugin+": "+strings.Join(detail, ", "))
		}
	}
}

// compareWinners lets each side choose among those that are best by upstream's scores.
func compareWinners(pod *corev1.Pod, up, mi verdict, add func(what, u, m, detail string)) {
	if up.winner == mi.winner {
		return
	}
	waits := pod.Status.NominatedNodeName
	if up.winner == "" || mi.winner == "" || up.total(up.winner) != up.total(mi.winner) || up.winner == waits || mi.winner == waits {
		add("winner", "chooses one", "another", up.winner+" / "+mi.winner)
	}
}

func comparePreemption(up, mi verdict, add func(what, u, m, detail string)) {
	if up.refused != nil {
		return // no eviction helps
	}
	if up.waits != mi.waits {
		add("preemption", fmt.Sprint("waits ", up.waits), fmt.Sprint("waits ", mi.waits), up.message+" / "+mi.message)
		return
	}
	for _, node := range sortedNodes(up.victims, mi.victims) {
		if u, m := up.victims[node], mi.victims[node]; u != m {
			add("preemption", number(u), number(m), fmt.Sprintf("on %s %q / %q", node, u, m))
			return
		}
	}
	if up.preempts != mi.preempts && !up.mightPreempt(mi.preempts) {
		add("preemption", "chooses one node", "another", fmt.Sprintf("%s / %s of %v", up.preempts, mi.preempts, up.victims))
	}
	if up.withdrawn != mi.withdrawn {
		add("preemption", fmt.Sprint("withdraws ", up.withdrawn), fmt.Sprint("withdraws ", mi.withdrawn), up.message+" / "+mi.message)
	}
}

func number(victims string) string {
	if victims == "" {
		return "evicts nobody"
	}
	return "evicts somebody"
}

var (
	chosen  = regexp.MustCompile(`on node \S+, preempting \d+ victims`)
	pinned  = regexp.MustCompile(`\[[\w ]*NodeAffinity[\w ]*\]`)
	quoted  = regexp.MustCompile(`"[^"]*"`)
	numbers = regexp.MustCompile(`\d+`)
)

// comparable is the message for whichever of the equally good nodes was chosen. Of a pod that is refused whatever the node, it is what
// comes before what PostFilter says: upstream's DynamicResources is asked there although its PreFilter was not, and says "not found".
// And of a pod for named nodes that waits for room on one, upstream adds the plugin that rejects that one to those that named them.
func comparable(pod *corev1.Pod, v verdict) string {
	if v.refused != nil {
		head, _, _ := strings.Cut(strings.TrimSuffix(v.message, " not found"), " preemption: ")
		return head
	}
	message := chosen.ReplaceAllString(v.message, "on some node")
	if pod.Status.NominatedNodeName != "" {
		message = pinned.ReplaceAllString(message, "[…]")
	}
	return message
}

// general is what was said, for every value.
func general(text string) string {
	return numbers.ReplaceAllString(quoted.ReplaceAllString(text, `"…"`), "N")
}

// ordered are the differences, the most frequent first.
func (f *found) ordered() []difference {
	return slices.SortedFunc(maps.Keys(f.count), func(a, b difference) int {
		return cmp.Or(cmp.Compare(f.count[b], f.count[a]), strings.Compare(a.String(), b.String()))
	})
}
