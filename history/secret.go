package history

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// veil hides the values of Secrets. It is the key of the marks that stand in their places: one is made for each run of minik,
// and forgotten with it. A plain digest would give away to whoever sees it, in a class or in a log, any password that can be
// guessed; under a key that is gone there is nothing to try guesses against.
type veil []byte

func newVeil() veil {
	key := make(veil, sha256.Size)
	_, _ = rand.Read(key) // it never fails: the process ends where there is no randomness
	return key
}

// over puts a mark in the place of each of the Secret's values. Within one run, equal marks are equal values.
func (v veil) over(secret map[string]any) {
	data, _ := secret["data"].(map[string]any)
	for key, value := range data {
		mark := hmac.New(sha256.New, v)
		_, _ = fmt.Fprint(mark, value) // a hash takes every byte
		data[key] = "hidden:" + hex.EncodeToString(mark.Sum(nil)[:4])
	}
	if metadata, ok := secret["metadata"].(map[string]any); ok {
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			delete(annotations, corev1.LastAppliedConfigAnnotation) // it repeats them
		}
	}
}
