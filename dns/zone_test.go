package dns

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"pgregory.net/rapid"

	"minik.dev/scenario"
)

func TestScenarios(t *testing.T) {
	scenario.Sections(t, "testdata/*.txt", func(t *testing.T, sections []txtar.File) {
		require.Len(t, sections, 3)
		services, slices := objects(t, string(sections[0].Data))
		z := newZone("cluster.local", services, slices)
		var got strings.Builder
		for line := range strings.Lines(string(sections[1].Data)) {
			got.WriteString(show(z, strings.TrimSpace(line)))
		}
		sections[2].Data = []byte(got.String())
	})
}

// show is a question with its answer, one line each.
func show(z *zone, question string) string {
	kind, host, _ := strings.Cut(question, " ")
	v := z.answer(dns.Question{Name: host, Qtype: dns.StringToType[kind], Qclass: dns.ClassINET})
	out := question + "\n"
	switch {
	case !v.mine:
		return out + "  is passed on\n"
	case v.code != dns.RcodeSuccess:
		out += "  " + dns.RcodeToString[v.code] + "\n"
	case len(v.records) == 0:
		out += "  exists, without such records\n"
	}
	for _, r := range v.records {
		out += "  " + strings.ReplaceAll(r.String(), "\t", " ") + "\n"
	}
	for _, r := range v.extra {
		out += "  besides: " + strings.ReplaceAll(r.String(), "\t", " ") + "\n"
	}
	if v.alias != "" {
		out += "  goes on with " + v.alias + "\n"
	}
	return out
}

func objects(t *testing.T, text string) (services []*corev1.Service, slices []*discoveryv1.EndpointSlice) {
	for _, part := range strings.Split(text, "---\n") {
		obj, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(part), nil, nil)
		require.NoError(t, err)
		switch o := obj.(type) {
		case *corev1.Service:
			services = append(services, o)
		case *discoveryv1.EndpointSlice:
			slices = append(slices, o)
		default:
			t.Fatalf("%T is no object of a zone", obj)
		}
	}
	return services, slices
}

// A zone is the same whatever the order of its objects: caches have none.
func TestZonesDoNotDependOnTheOrderOfObjects(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/names.txt")
	require.NoError(t, err)
	services, slices := objects(t, string(archive.Files[0].Data))
	for i := range 20 {
		s := slices[0].DeepCopy()
		s.Name = fmt.Sprintf("db-%d", i+2)
		s.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{fmt.Sprintf("10.244.9.%d", i+1)}}}
		slices = append(slices, s)
	}
	want := newZone("cluster.local", services, slices)
	rapid.Check(t, func(t *rapid.T) {
		got := newZone("cluster.local", rapid.Permutation(services).Draw(t, "services"),
			rapid.Permutation(slices).Draw(t, "slices"))
		require.Equal(t, want, got)
	})
}

func BenchmarkAnswer(b *testing.B) {
	var services []*corev1.Service
	for i := range 1000 {
		s := &corev1.Service{}
		s.Namespace, s.Name, s.Spec.ClusterIP = "default", fmt.Sprintf("s%d", i), fmt.Sprintf("10.96.%d.%d", i/250, i%250+1)
		services = append(services, s)
	}
	z := newZone("cluster.local", services, nil)
	q := dns.Question{Name: "s500.default.svc.cluster.local.", Qtype: dns.TypeA, Qclass: dns.ClassINET}
	b.ReportAllocs()
	for b.Loop() {
		if len(z.answer(q).records) != 1 {
			b.Fatal("no answer")
		}
	}
}
