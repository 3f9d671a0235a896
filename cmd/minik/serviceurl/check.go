package serviceurl

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// urlPatience is how long one URL may take to answer: a proxy opens its listener and learns its backends a moment after
// the pods are ready.
const urlPatience = 10 * time.Second

// Check asks every URL for an answer, all at once, and returns the answers in the order of the URLs.
func Check(ctx context.Context, urls []URL) []Answer {
	answers := make([]Answer, len(urls))
	var group errgroup.Group
	for i, url := range urls {
		group.Go(func() error {
			answers[i] = check(ctx, url)
			return nil
		})
	}
	_ = group.Wait() // no goroutine returns an error: an answer says what went wrong
	return answers
}

// check asks again until the URL answers or its patience is over. The last thing that went wrong is the detail.
func check(ctx context.Context, url URL) Answer {
	ctx, cancel := context.WithTimeout(ctx, urlPatience)
	defer cancel()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		detail, err := ask(ctx, url)
		if err == nil {
			return Answer{URL: url, OK: true, Detail: detail}
		}
		select {
		case <-ctx.Done():
			return Answer{URL: url, Detail: err.Error()}
		case <-retry.C:
		}
	}
}

// ask makes one attempt. Over HTTP every status but 502 to 504 is an answer of the Service itself; of other ports only the
// connection can be tried, and of UDP not even that.
func ask(ctx context.Context, url URL) (string, error) {
	switch url.Scheme {
	case "http", "https":
		return askHTTP(ctx, url)
	case "udp":
		return "udp is not asked", nil
	}
	connection, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, url.Network, url.Address)
	if err != nil {
		return "", fmt.Errorf("connecting: %w", err)
	}
	return "connected", connection.Close()
}

func askHTTP(ctx context.Context, url URL) (string, error) {
	// A Service's certificate is its author's affair, and no secret is sent.
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		DisableKeepAlives: true,
	}
	client := &http.Client{
		Transport:     transport,
		Timeout:       2 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url.String(), nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadGateway && resp.StatusCode <= http.StatusGatewayTimeout {
		return "", fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return resp.Status, nil
}
