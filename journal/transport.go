package journal

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"k8s.io/client-go/rest"
)

// The request headers that carry a cause and a reason.
const (
	CauseHeader  = "Minik-Cause"
	ReasonHeader = "Minik-Reason"
)

// MaxReason bounds a reason, in bytes of UTF-8; it is percent-encoded where a header would lose something of it. A longer one is cut at a rune's border.
const MaxReason = 1024

type causeKey struct{}
type reasonKey struct{}

// WithCause puts into the context what made the component act. The writes made with it name the cause.
func WithCause(ctx context.Context, cause Cause) context.Context {
	return context.WithValue(ctx, causeKey{}, cause)
}

// WithReason puts into the context the sentence of the decision: the numbers or fields that differed, and what follows
// from them ("ReplicaSet web-5d9 wants 3 pods, has 2").
func WithReason(ctx context.Context, reason string) context.Context {
	return context.WithValue(ctx, reasonKey{}, reason)
}

// Config is a copy of config that speaks as component (its User-Agent) and sends the cause and the reason of each write.
func Config(config *rest.Config, component string) *rest.Config {
	config = rest.CopyConfig(config)
	config.UserAgent = component
	config.Wrap(Transport)
	return config
}

// Transport sends the context's cause and reason with each request that writes.
func Transport(next http.RoundTripper) http.RoundTripper { return transport{next} }

type transport struct{ next http.RoundTripper }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	cause, _ := req.Context().Value(causeKey{}).(Cause)
	reason, _ := req.Context().Value(reasonKey{}).(string)
	if req.Method == http.MethodGet || (reason == "" && cause.String() == "") {
		return t.next.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	if s := cause.String(); s != "" {
		req.Header.Set(CauseHeader, s)
	}
	if reason != "" {
		req.Header.Set(ReasonHeader, escaped(cut(reason)))
	}
	return t.next.RoundTrip(req)
}

// WrappedRoundTripper lets client-go find the transport beneath, as its debugging helpers ask for.
func (t transport) WrappedRoundTripper() http.RoundTripper { return t.next }

// FromRequest reads back what Transport sent. A header that cannot be read is an error that names it.
func FromRequest(header http.Header) (Cause, string, error) {
	cause, err := ParseCause(header.Get(CauseHeader))
	if err != nil {
		return Cause{}, "", err
	}
	reason, err := url.PathUnescape(header.Get(ReasonHeader))
	if err != nil {
		return Cause{}, "", fmt.Errorf("%s is not percent-encoded: %w", ReasonHeader, err)
	}
	if len(reason) > MaxReason || !utf8.ValidString(reason) {
		return Cause{}, "", fmt.Errorf("%s is not UTF-8 text of at most %d bytes", ReasonHeader, MaxReason)
	}
	return cause, reason, nil
}

// escaped is the text as a header can have it: as it stands, unless it has something that a header would lose.
func escaped(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '%' {
			return url.PathEscape(s)
		}
	}
	if strings.TrimSpace(s) != s {
		return url.PathEscape(s)
	}
	return s
}

func cut(s string) string {
	if len(s) <= MaxReason {
		return s
	}
	end := MaxReason
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
