package env

import (
	"strings"

	"minik.dev/kubelet/runtime"
)

// expand replaces $(NAME) by the variable's value where there is one, and $$ by $, so that $$(NAME) stays literal.
func expand(s string, values map[string]string) string {
	return ExpandBy(s, func(name string) (string, bool) { value, ok := values[name]; return value, ok })
}

// ExpandBy is expand with values that are looked up.
func ExpandBy(s string, lookup func(name string) (string, bool)) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		switch s[i+1] {
		case '$':
			out.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(s[i:], ')')
			value, ok := "", false
			if end > 0 {
				value, ok = lookup(s[i+2 : i+end])
			}
			if !ok {
				out.WriteByte('$')
				continue
			}
			out.WriteString(value)
			i += end
		default:
			out.WriteByte('$')
		}
	}
	return out.String()
}

// ExpandAll is expand for a command's words.
func ExpandAll(words []string, env []runtime.EnvVar) []string {
	values := map[string]string{}
	for _, v := range env {
		values[v.Name] = v.Value
	}
	var out []string
	for _, word := range words {
		out = append(out, expand(word, values))
	}
	return out
}
