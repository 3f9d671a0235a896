package store

import (
	"bytes"
	"errors"
	"fmt"
)

// beginsTyped is how every object of a Go type begins, up to the values of its kind and apiVersion.
var beginsTyped = []byte(`{"kind":"`)

// metadataField stands right behind kind and apiVersion in such an object; neither of them can contain it.
var metadataField = []byte(`"metadata":{`)

// metadataOf finds the object's own metadata in its JSON: where the field begins, and where its first member does. Objects of a
// Go type have it right behind kind and apiVersion. Others may have their fields in any order, and fields of the same name
// deeper down.
func metadataOf(object []byte) (field, members int, err error) {
	if bytes.HasPrefix(object, beginsTyped) {
		if at := bytes.Index(object, metadataField); at >= 0 && !bytes.ContainsAny(object[1:at], "{[") {
			return at, at + len(metadataField), nil
		}
	}
	s := scanner{text: object}
	if !s.take('{') {
		return 0, 0, fmt.Errorf("the stored object is no JSON object: %.60q", object)
	}
	for {
		s.space()
		field = s.at
		name, ok := s.quoted()
		if !ok || !s.take(':') {
			return 0, 0, fmt.Errorf("the stored object has no metadata: %.60q", object)
		}
		if string(name) == "metadata" {
			if !s.take('{') {
				return 0, 0, errors.New("the stored object's metadata is no object")
			}
			return field, s.at, nil
		}
		s.value()
		if !s.take(',') {
			return 0, 0, fmt.Errorf("the stored object has no metadata: %.60q", object)
		}
	}
}

// scanner walks over JSON that is known to be valid: json.Marshal wrote it, or an Entry was decoded from it.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t' || s.text[s.at] == '\n' || s.text[s.at] == '\r') {
		s.at++
	}
}

// take steps over the character, and over space before it; it stays where it is if another one is there.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.at >= len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

// quoted steps over a string and returns what is between the quotes, escapes as they are.
func (s *scanner) quoted() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	from := s.at
	for ; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return s.text[from : s.at-1], true
		}
	}
	return nil, false
}

// value steps over a value of any kind.
func (s *scanner) value() {
	depth := 0
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '"':
			s.quoted()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return // of what the value is in
			}
			depth--
		case ',':
			if depth == 0 {
				return
			}
		}
		s.at++
	}
}
