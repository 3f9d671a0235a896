package apiserver

import (
	"compress/gzip"
	"net/http"
	"strings"
	"sync"
)

// compressFrom is the size in bytes from which an answer is compressed, for those who take it: upstream's. Below it the
// work costs more than the bytes.
const compressFrom = 128 << 10

// compressors are kept, because each needs a megabyte of tables. They compress as quickly as they can (upstream).
var compressors = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is one of the library's own
	}
	return w
}}

// takesGzip reports whether the client reads compressed answers. Only what is read is compressed, as upstream does.
func (r *request) takesGzip() bool {
	if r.Method != http.MethodGet {
		return false
	}
	for _, header := range r.Header.Values("Accept-Encoding") {
		for _, encoding := range strings.Split(header, ",") {
			if name, _, _ := strings.Cut(encoding, ";"); strings.TrimSpace(name) == "gzip" {
				return true
			}
		}
	}
	return false
}

// compressed is where the body of the answer is written to. Close ends it.
func (r *request) compressed(code int) *answerWriter { return &answerWriter{r: r, code: code} }

// answerWriter decides at the first piece, which is the whole of what is small, whether the answer is compressed.
type answerWriter struct {
	r       *request
	code    int
	gzip    *gzip.Writer // nil where it is not
	started bool
}

func (a *answerWriter) Write(p []byte) (int, error) {
	if !a.started {
		a.started = true
		if len(p) >= compressFrom && a.r.takesGzip() {
			a.gzip = compressors.Get().(*gzip.Writer)
			a.gzip.Reset(a.r.w)
			a.r.w.Header().Set("Content-Encoding", "gzip")
			a.r.w.Header().Add("Vary", "Accept-Encoding")
		}
		a.r.w.WriteHeader(a.code)
	}
	if a.gzip != nil {
		return a.gzip.Write(p)
	}
	return a.r.w.Write(p)
}

// Close writes what is left. Nothing may be written after it.
func (a *answerWriter) Close() error {
	if a.gzip == nil {
		return nil
	}
	err := a.gzip.Close()
	compressors.Put(a.gzip)
	a.gzip = nil
	return err
}
