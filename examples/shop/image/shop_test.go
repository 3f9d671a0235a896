package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logs is what all parts log.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// environment is what the manifests give to each part, with the addresses of those that run.
func environment() map[string]string {
	return map[string]string{
		"SHOP_NAME": "test shop", "CURRENCY": "EUR", "PAYMENT_API_KEY": "a-secret",
		"PRODUCT_URL": "http://127.0.0.1:1", "ORDER_URL": "http://127.0.0.1:1", "PAYMENT_URL": "http://127.0.0.1:1",
	}
}

// open runs the parts, each after those that it asks, and returns the last one's URL.
func open(t *testing.T, log *logs, parts ...string) string {
	env := environment()
	last := ""
	for _, part := range parts {
		handler, err := newPart(part, part+"-1", func(name string) string { return env[name] },
			slog.New(slog.NewTextHandler(log, nil)).With("part", part))
		require.NoError(t, err)
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		env[strings.ToUpper(part)+"_URL"] = server.URL
		last = server.URL
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return last
}

// answer is the status and the body of a response.
func answer(t *testing.T, response *http.Response, err error) (int, string) {
	t.Helper()
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	return answer(t, response, err)
}

func TestTheFrontendShowsWhoAnswered(t *testing.T) {
	status, body := get(t, open(t, &logs{}, "product", "payment", "order", "frontend"))
	require.Equal(t, 200, status)
	require.Equal(t, `test shop, served by frontend-1

for sale:
  tea    a box of tea        4.50 EUR
  mug    a mug for it        12.00 EUR
  whale  a small blue whale  99.00 EUR

answered by:
  product          product-1
  order            order-1
  order → product  product-1
  order → payment  payment-1
`, body)
}

// One purchase has one number in the logs of all parts, and the key is in none of them.
func TestASaleGoesThroughAllParts(t *testing.T) {
	var log logs
	frontend := open(t, &log, "product", "payment", "order", "frontend")
	response, err := http.PostForm(frontend+"/buy", url.Values{"article": {"mug"}, "quantity": {"3"}})
	status, body := answer(t, response, err)
	require.Equal(t, 200, status)
	require.Contains(t, body, "sold: 3 × mug for 36.00 EUR, order ")
	_, number, _ := strings.Cut(body, "order ")
	number, _, _ = strings.Cut(number, "\n")
	require.Len(t, number, 8)
	for _, part := range []string{"product", "payment", "order", "frontend"} {
		require.Regexp(t, "part="+part+" request="+number, log.String())
	}
	require.NotContains(t, log.String(), "a-secret")
}

func TestWhatCannotBeSold(t *testing.T) {
	frontend := open(t, &logs{}, "product", "payment", "order", "frontend")
	for query, want := range map[string]struct {
		status int
		text   string
	}{
		"article=ship":                  {404, `order says: product says: there is no "ship" for sale`},
		"article=../payment":            {404, "order says: product says: there is no"},
		"article=tea&quantity=0":        {400, "order says: an order has an article and a quantity from 1 to 100"},
		"article=tea&quantity=101":      {400, "order says: an order has an article and a quantity from 1 to 100"},
		"article=tea&quantity=a%20lot":  {400, `the quantity "a lot" is no number`},
		"quantity=1":                    {400, "order says: an order has an article and a quantity from 1 to 100"},
		"article=%00&quantity=1":        {404, "order says: product says: there is no"},
		"article=tea%2Fmug&quantity=12": {404, "order says: product says: "},
	} {
		response, err := http.Post(frontend+"/buy?"+query, "", nil)
		status, body := answer(t, response, err)
		require.Equal(t, want.status, status, query)
		require.Contains(t, body, want.text, query)
	}
}

// A shop without payment sells nothing, and still shows what it has.
func TestAPartThatIsGone(t *testing.T) {
	var log logs
	frontend := open(t, &log, "product", "order", "frontend")
	status, body := get(t, frontend)
	require.Equal(t, 200, status)
	require.Contains(t, body, "a box of tea")
	require.Contains(t, body, `order says: payment does not answer: Get "http://127.0.0.1:1/"`)
	response, err := http.Post(frontend+"/buy?article=tea", "", nil)
	status, body = answer(t, response, err)
	require.Equal(t, 502, status)
	require.Contains(t, body, "payment does not answer")
	require.Contains(t, log.String(), "level=WARN")
}

func TestABrowserGetsHTML(t *testing.T) {
	request, err := http.NewRequest(http.MethodGet, open(t, &logs{}, "product", "payment", "order", "frontend"), nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "text/html,*/*")
	response, err := http.DefaultClient.Do(request)
	_, body := answer(t, response, err)
	require.Contains(t, body, "<h1>test shop</h1>")
	require.Contains(t, body, `<button name="article" value="whale">`)
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	for part, want := range map[string]string{
		"payment": "the environment has no SHOP_NAME\nthe environment has no CURRENCY\n" +
			"the environment has no PAYMENT_API_KEY",
		"order": "the environment has no SHOP_NAME\nthe environment has no CURRENCY\n" +
			"the environment has no PRODUCT_URL\nthe environment has no PAYMENT_URL",
		"":         `"" is no part of the shop: run it with frontend, order, payment or product`,
		"checkout": `"checkout" is no part of the shop: run it with frontend, order, payment or product`,
	} {
		var args []string
		if part != "" {
			args = []string{part}
		}
		require.EqualError(t, start(args, func(string) string { return "" }, "host"), want)
	}
}

// After SIGTERM a part is not ready any more, serves on for a moment, and finishes what it has begun.
func TestClosing(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "finished")
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := "http://" + listener.Addr().String()
	ctx, terminate := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, slow, time.Second, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)

	status, _ := get(t, address+"/ready")
	require.Equal(t, 200, status)
	answered := make(chan string, 1)
	go func() {
		response, err := http.Get(address)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	<-begun
	terminate()
	require.Eventually(t, func() bool {
		status, _ := get(t, address+"/ready")
		return status == http.StatusServiceUnavailable
	}, 900*time.Millisecond, 5*time.Millisecond)
	require.Empty(t, ended)
	close(finish)
	require.Equal(t, "finished", <-answered)
	require.NoError(t, <-ended)
}
