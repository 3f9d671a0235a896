package apiserver

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// objects draws JSON: what fits a Go type, and what is nearly an object.
type objects struct{ *rand.Rand }

// words are values that mean something somewhere, and values that mean trouble.
var words = []string{
	"", "a", "x", "default", "kube-system", "node-1", "http", "80", "-1", "0", "true", "null", "*", "/", "..", "a/b", "example.com/a",
	"TCP", "UDP", "SCTP", "Always", "Never", "IfNotPresent", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "None", "In",
	"Exists", "NotIn", "Gt", "10.0.0.1", "10.96.0.9", "10.0.0.0/8", "::1", "fd00::/64", "IPv4", "IPv6", "PreferDualStack", "25%", "101%",
	"-5%", "1Gi", "100m", "-1Ki", "1e400", "0.0000000001", "99999999999999999999999", "1..2", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
	"9999-12-31T23:59:59Z", "Resource", "Pods", "Object", "External", "ContainerResource", "Utilization", "AverageValue", "Value",
	"RollingUpdate", "Recreate", "OnDelete", "Indexed", "NonIndexed", "FailJob", "Ignore", "Count", "Container", "Pod",
	"PersistentVolumeClaim", "Terminating", "BestEffort", "NoSchedule", "NoExecute", "Equal", "Prefix", "Exact", "ReadWriteOnce", "Block",
	"*/5 * * * *", "@daily", "Europe/Berlin", "CRON_TZ=UTC 0 0 * * *", "foregroundDeletion", "orphan", "kubernetes", "Ready", "True", "False",
	"Unknown", "Approved", "Failed", "$(A)", "{}", "[]", "metadata.name", "\u007f", "\u0085", "\u0000", "\u2028", "\ufeff", "\U0010ffff", "\"", "'",
	"\\", "\n", "- a: b\n", "é", "日本", " ", "a b", "%", "%00", "a\tb", "~", "~1", "$patch", "k8s:", strings.Repeat("x", 64),
	strings.Repeat("y", 254), strings.Repeat("z", 5000),
}

func (o objects) word() string { return words[o.IntN(len(words))] }

// one reports true in one of n cases.
func (o objects) one(n int) bool { return o.IntN(n) == 0 }

var numbers = []int64{0, 1, 2, 3, 10, 80, 100, 600, 3600, 65535, 65536, -1, -100, 1 << 31, 1<<31 - 1, -1 << 31, 1<<63 - 1, -1 << 63, 1000000}

var (
	rawType       = reflect.TypeFor[runtime.RawExtension]()
	durationType  = reflect.TypeFor[metav1.Duration]()
	fieldsV1Type  = reflect.TypeFor[metav1.FieldsV1]()
	bytesType     = reflect.TypeFor[[]byte]()
	condensedSeen = map[reflect.Type]func(objects) any{
		reflect.TypeFor[metav1.Time]():      func(o objects) any { return fmt.Sprintf("20%02d-01-02T03:04:05Z", o.IntN(100)) },
		reflect.TypeFor[metav1.MicroTime](): func(o objects) any { return fmt.Sprintf("20%02d-01-02T03:04:05.000006Z", o.IntN(100)) },
		reflect.TypeFor[resource.Quantity](): func(o objects) any {
			q := resource.NewMilliQuantity(numbers[o.IntN(len(numbers))], resource.DecimalSI)
			return q.String()
		},
		reflect.TypeFor[intstr.IntOrString](): func(o objects) any {
			if v := intstr.FromString(o.word()); o.one(2) {
				return v.StrVal
			}
			return numbers[o.IntN(16)]
		},
		rawType:      func(o objects) any { return map[string]any{o.word(): o.word()} },
		durationType: func(objects) any { return "1m0s" },
		fieldsV1Type: func(o objects) any { return map[string]any{"f:" + o.word(): map[string]any{}} },
		bytesType:    func(o objects) any { return base64.StdEncoding.EncodeToString([]byte(o.word())) },
	}
)

// value is JSON that fits the type: each field of a struct is there in some cases. depth bounds how deep it goes.
func (o objects) value(t reflect.Type, depth int) any {
	if special, ok := condensedSeen[t]; ok {
		return special(o)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return o.value(t.Elem(), depth)
	case reflect.Struct:
		m := map[string]any{}
		o.fill(m, t, depth)
		return m
	case reflect.Slice, reflect.Array:
		list := []any{}
		for range o.IntN(4) {
			if depth > 0 {
				list = append(list, o.value(t.Elem(), depth-1))
			}
		}
		return list
	case reflect.Map:
		m := map[string]any{}
		for range o.IntN(3) {
			if depth > 0 {
				m[o.word()] = o.value(t.Elem(), depth-1)
			}
		}
		return m
	case reflect.Bool:
		return o.one(2)
	case reflect.String:
		return o.word()
	case reflect.Float32, reflect.Float64:
		return o.Float64()
	case reflect.Interface:
		return o.word()
	default:
		return numbers[o.IntN(16)]
	}
}

// fill draws some of the fields of a struct type that are not there yet.
func (o objects) fill(m map[string]any, t reflect.Type, depth int) {
	if depth <= 0 {
		return
	}
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case !field.IsExported() || name == "-":
		case name == "" && field.Anonymous:
		case o.one(3):
			m[name] = o.value(field.Type, depth-1)
		}
	}
}

// vary puts drawn values into an object of the type, at some places of it.
func (o objects) vary(value any, t reflect.Type, depth int) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if _, special := condensedSeen[t]; special || o.one(20) {
		return o.value(t, 3)
	}
	switch v := value.(type) {
	case map[string]any:
		if t.Kind() == reflect.Map {
			for _, key := range slices.Sorted(maps.Keys(v)) {
				v[key] = o.vary(v[key], t.Elem(), depth-1)
			}
		}
		if t.Kind() != reflect.Struct {
			return v
		}
		for i := range t.NumField() {
			field := t.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if inner, there := v[name]; there && o.one(2) {
				v[name] = o.vary(inner, field.Type, depth-1)
			} else if !there && name != "" && name != "-" && o.one(12) {
				v[name] = o.value(field.Type, 3)
			}
		}
	case []any:
		if t.Kind() != reflect.Slice {
			return v
		}
		for i := range v {
			v[i] = o.vary(v[i], t.Elem(), depth-1)
		}
	}
	return value
}

// place is somewhere in a JSON document.
type place struct {
	pointer string // as a JSON patch names it
	get     func() any
	set     func(any)
}

// places are all of a document's, in one order.
func places(value any, pointer string, set func(any)) []place {
	out := []place{{pointer: pointer, get: func() any { return value }, set: set}}
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
			out = append(out, places(v[key], pointer+"/"+escaped, func(to any) { v[key] = to })...)
		}
	case []any:
		for i := range v {
			out = append(out, places(v[i], fmt.Sprintf("%s/%d", pointer, i), func(to any) { v[i] = to })...)
		}
	}
	return out
}

// garble puts what does not belong there somewhere into a document.
func (o objects) garble(document map[string]any) {
	all := places(document, "", func(any) {})
	at := all[o.IntN(len(all))]
	switch v := at.get().(type) {
	case map[string]any:
		switch o.IntN(4) {
		case 0:
			v[o.word()] = o.trouble()
		case 1:
			v["unknown"] = o.trouble()
		case 2:
			v["$patch"] = []any{"replace", "delete", "merge", "x", 1, nil}[o.IntN(6)]
		default:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				if o.one(3) {
					delete(v, key)
				}
			}
		}
	case []any:
		switch {
		case len(v) > 0 && o.one(2):
			at.set(append(slices.Clone(v), v[o.IntN(len(v))]))
		default:
			at.set(append(slices.Clone(v), o.trouble()))
		}
	default:
		at.set(o.trouble())
	}
}

// trouble is a value that fits few places.
func (o objects) trouble() any {
	deep := any("deep")
	switch o.IntN(12) {
	case 0:
		return nil
	case 1:
		return o.word()
	case 2:
		return numbers[o.IntN(len(numbers))]
	case 3:
		return true
	case 4:
		return []any{}
	case 5:
		return map[string]any{}
	case 6:
		return json.Number([]string{"1e400", "1.5", "-0", "99999999999999999999", "1e-400"}[o.IntN(5)])
	case 7:
		for range 200 {
			deep = []any{deep}
		}
		return deep
	case 8:
		return []any{nil}
	case 9:
		return []any{map[string]any{}, map[string]any{"name": nil}}
	case 10:
		return map[string]any{o.word(): nil}
	default:
		return strings.Repeat(o.word(), 3)
	}
}

// operations are a JSON patch of the document: most of its paths are there.
func (o objects) operations(document map[string]any) []any {
	all := places(document, "", func(any) {})
	pointer := func() string {
		p := all[o.IntN(len(all))].pointer
		switch o.IntN(8) {
		case 0:
			return p + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(o.word())
		case 1:
			return p + "/-"
		}
		return p
	}
	var out []any
	for range o.IntN(4) {
		op := map[string]any{
			"op":   []any{"add", "add", "replace", "replace", "remove", "test", "copy", "move", "x", nil}[o.IntN(10)],
			"path": pointer(),
		}
		if !o.one(5) {
			op["value"] = o.trouble()
		}
		if !o.one(5) {
			op["from"] = pointer()
		}
		out = append(out, op)
	}
	return out
}

// spoil changes some bytes of a body.
func (o objects) spoil(body []byte) []byte {
	if len(body) == 0 {
		return body
	}
	body = slices.Clone(body)
	at := o.IntN(len(body))
	switch o.IntN(6) {
	case 0:
		body[at] = byte(o.IntN(256))
	case 1:
		return body[:at]
	case 2:
		return slices.Insert(body, at, []byte{0xff, 0xfe}...)
	case 3:
		return append(body, body[at:]...)
	case 4:
		return []byte(strings.Replace(string(body), `"metadata":`, `"metadata":{"name":"b"},"metadata":`, 1))
	default:
		end := min(len(body), at+1+o.IntN(8))
		return slices.Delete(body, at, end)
	}
	return body
}
