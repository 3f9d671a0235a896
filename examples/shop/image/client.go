package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// How long one part waits for another: who asks first waits longer than whom they ask waits for others.
const (
	patience     = time.Second
	longPatience = 1500 * time.Millisecond
)

// numberHeader carries the number of a customer's request from part to part.
const numberHeader = "X-Request-Id"

type numberKey struct{}

// numbered gives each request a number, unless it brings one from another part.
func numbered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		number := r.Header.Get(numberHeader)
		if number == "" {
			var random [4]byte
			_, _ = rand.Read(random[:]) // it never fails
			number = hex.EncodeToString(random[:])
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), numberKey{}, number)))
	})
}

func number(ctx context.Context) string {
	number, _ := ctx.Value(numberKey{}).(string)
	return number
}

// client asks another part of the shop.
type client struct {
	part, url string
	http      *http.Client
}

func newClient(part, url string, patience time.Duration) client {
	// A connection for each request: a Service chooses one of its pods for each connection, not for each request.
	transport := &http.Transport{DisableKeepAlives: true}
	return client{part: part, url: strings.TrimSuffix(url, "/"), http: &http.Client{Transport: transport, Timeout: patience}}
}

// call sends question, or nothing where it is nil, and reads the answer. Errors name the part and its address.
func (c client) call(ctx context.Context, method, path string, question, answer any) error {
	var body io.Reader
	if question != nil {
		data, err := json.Marshal(question)
		if err != nil {
			return fmt.Errorf("asking %s: %w", c.part, err)
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return fmt.Errorf("asking %s: %w", c.part, err)
	}
	request.Header.Set(numberHeader, number(ctx))
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", c.part, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusBadRequest {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1024)) // what there is of it
		return &refusal{part: c.part, status: response.StatusCode, text: strings.TrimSpace(string(text))}
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("reading what %s answered: %w", c.part, err)
	}
	return nil
}

// refusal is another part's answer that it will not do it.
type refusal struct {
	part   string
	status int
	text   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s says: %s", r.part, r.text) }

// atOnce asks several parts at the same time.
func atOnce(calls ...func() error) error {
	errs := make([]error, len(calls))
	var group sync.WaitGroup
	for i, call := range calls {
		group.Go(func() { errs[i] = call() })
	}
	group.Wait()
	return errors.Join(errs...)
}
