package apiserver

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/auth"
	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/store"
)

// query is what a list or watch asks for.
type query struct {
	metav1.ListOptions
	labels labels.Selector
	fields fields.Selector
	// multiFields are the values that are asked for of the row's fields that have several.
	multiFields map[string]string
	row         *resources.Resource
	// readable says whether the client may see the object at all; nil lets it see every one.
	readable func(resources.Object) bool
	// all: neither selector leaves anything out.
	all bool
	// indexed is the value of the row's indexed field that is asked for, or "".
	indexed string
	// refusal is what a refusal of the resourceVersion begins with.
	refusal string
	// from is where a continued list goes on.
	from *continuation
}

// matches reports whether the entry is asked for.
func (q *query) matches(e *store.Entry) bool {
	if e == nil || q.readable != nil && !q.readable(e.Object) {
		return false
	}
	return q.all || q.labels.Matches(labels.Set(e.Object.GetLabels())) &&
		(q.fields.Empty() || q.fields.Matches(e.Fields())) && q.hasMultiFields(e.Object)
}

// continuation is the content of a continue token. It is opaque to clients.
type continuation struct {
	// Revision that the list shows; anyRevision goes on with what there is by then.
	Revision int64  `json:"rv"`
	Start    string `json:"start"` // the first key that is still to come
	Issued   int64  `json:"t"`     // in Unix seconds
}

// anyRevision is the revision of the token that an expired list is answered with, as upstream does: whoever goes on with it
// gets the rest of the list as it is now, which need not fit the beginning.
const anyRevision = -1

// continueFor is how long a continue token can be used: history reaches further back, but a list should not.
const continueFor = 5 * time.Minute

func (c continuation) String() string {
	b, _ := json.Marshal(c) // numbers and a string always marshal
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseContinue(token string, now time.Time) (*continuation, error) {
	c := &continuation{}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil || c.Revision <= 0 && c.Revision != anyRevision {
		return nil, notIssued()
	}
	if c.Revision != anyRevision && now.Sub(time.Unix(c.Issued, 0)) > continueFor {
		return nil, tooOld(c)
	}
	return c, nil
}

// tooOld refuses a token whose list can't be shown any more, and says how to get the rest all the same.
func tooOld(c *continuation) error {
	e := apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent list result. You can " +
		"start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder " +
		"of the results. Continuing with the provided token results in an inconsistent list - objects that were created, " +
		"modified, or deleted between the time the first chunk was returned and now may show up in the list.")
	e.ErrStatus.Continue = continuation{Revision: anyRevision, Start: c.Start}.String()
	return e
}

func notIssued() error {
	return apierrors.NewBadRequest("continue key is not valid: it was not issued by this server for this list")
}

// maxSelector bounds a selector, in bytes: every term of it may have to be tried on every object, and on every event of a watch.
const maxSelector = 32 << 10

// listQuery reads the query of a list, a watch or a deletecollection.
func (s *Server) listQuery(r *request) (*query, error) {
	q := &query{row: r.row}
	if r.row == s.revisions {
		q.readable = func(obj resources.Object) bool { return s.mayRead(r, obj) }
	}
	if r.verb != "watch" {
		q.refusal = "invalid resource version: "
	}
	values := r.URL.Query()
	if err := metav1.Convert_url_Values_To_v1_ListOptions(&values, &q.ListOptions, conversion.Scope(nil)); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if err := settleListOptions(&q.ListOptions, r.verb == "watch"); err != nil {
		return nil, err
	}
	for name, selector := range map[string]string{"labelSelector": q.LabelSelector, "fieldSelector": q.FieldSelector} {
		if len(selector) > maxSelector {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("the %s is %d characters long; %d is the most it may be", name, len(selector),
				maxSelector))
		}
	}
	var err error
	if q.labels, err = labels.Parse(q.LabelSelector); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if q.fields, err = fields.ParseSelector(q.FieldSelector); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if r.name != "" { // a watch of one object
		if named, ok := q.fields.RequiresExactMatch("metadata.name"); !q.fields.Empty() && (!ok || named != r.name) {
			return nil, apierrors.NewBadRequest("fieldSelector metadata.name doesn't match requested name")
		}
		q.fields = fields.AndSelectors(q.fields, fields.OneTermEqualSelector("metadata.name", r.name))
	}
	if err := q.takeMultiFields(); err != nil {
		return nil, err
	}
	known := store.Selectable(r.row)
	for _, requirement := range q.fields.Requirements() {
		if _, ok := known[requirement.Field]; !ok {
			return nil, apierrors.NewBadRequest(unknownField(r.row, requirement.Field))
		}
	}
	q.all = q.labels.Empty() && q.fields.Empty() && len(q.multiFields) == 0
	if r.row.Indexed.Of != nil {
		q.indexed, _ = q.fields.RequiresExactMatch(r.row.Indexed.Field)
	}
	if q.Limit < 0 {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("limit: %d is negative", q.Limit))
	}
	if q.Continue != "" {
		if q.ResourceVersion != "" && q.ResourceVersion != "0" {
			return nil, apierrors.NewBadRequest("specifying resource version is not allowed when using continue")
		}
		if q.from, err = parseContinue(q.Continue, s.Clock.Now()); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// unknownField words the refusal of a field that no selector of the row may name. Kubectl says what was looked for.
func unknownField(row *resources.Resource, name string) string {
	if row.Fields == nil {
		return fmt.Sprintf("%q is not a known field selector: only %q, %q", name, "metadata.name", "metadata.namespace")
	}
	return "field label not supported: " + name
}

// revision reads the query's resourceVersion: 0 where there is none or where any will do. The words of the refusal are
// upstream's, and so is the code of a list's; that of a get's and a watch's is 500 there, which is known to be wrong.
func (q *query) revision() (int64, error) {
	if q.ResourceVersion == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(q.ResourceVersion, 10, 63)
	if err != nil {
		return 0, apierrors.NewBadRequest(q.refusal +
			field.Invalid(field.NewPath("resourceVersion"), q.ResourceVersion, err.Error()).Error())
	}
	return int64(n), nil
}

// found is the result of a list.
type found struct {
	entries   []*store.Entry
	revision  int64
	next      *continuation // where the list goes on, or nil
	remaining int64         // how many are left, where that is known; -1 where not
	looked    int           // how many were looked at
}

// list answers with the objects that the selectors choose.
func (s *Server) list(r *request) error {
	q, err := s.listQuery(r)
	if err != nil {
		return err
	}
	if !auth.Component(r.user) {
		end, err := s.lists.take(r.Context())
		if err != nil {
			return err
		}
		defer end()
	}
	f, err := s.collect(r, q)
	if err != nil {
		return err
	}
	return s.answerList(r, q, f)
}

// collect finds what is asked for, as fresh as it is asked for (the documented meanings of resourceVersion and
// resourceVersionMatch).
func (s *Server) collect(r *request, q *query) (*found, error) {
	at, err := q.revision()
	if err != nil {
		return nil, err
	}
	if r.past != 0 {
		return s.collectPast(r, q, at)
	}
	switch m := q.ResourceVersionMatch; {
	case q.from != nil && !strings.HasPrefix(q.from.Start, store.Range(r.row, r.namespace)):
		return nil, notIssued() // a token of another list would show what is not asked for
	case q.from != nil && q.from.Revision == anyRevision:
		err = s.store.Fresh(r.Context())
	case q.from != nil:
		f, err := s.collectAt(r, q, q.from.Revision, q.from.Start)
		if errors.Is(err, rpctypes.ErrCompacted) {
			err = tooOld(q.from)
		}
		return f, err
	case m == metav1.ResourceVersionMatchExact, m == "" && at > 0 && q.Limit > 0:
		if err := s.store.AtLeast(r.Context(), at); err != nil {
			return nil, err
		}
		return s.collectAt(r, q, at, "")
	case q.ResourceVersion == "":
		err = s.store.Fresh(r.Context())
	default:
		err = s.store.AtLeast(r.Context(), at)
	}
	if err != nil {
		return nil, err
	}
	snapshot := s.store.Snapshot(r.row)
	f := &found{revision: snapshot.Revision, remaining: -1}
	if q.all && q.Limit == 0 {
		f.entries = make([]*store.Entry, 0, snapshot.Len())
	}
	start := ""
	if q.from != nil {
		start = q.from.Start
	}
	snapshot.Ascend(store.Range(r.row, r.namespace), start, func(e *store.Entry) bool { return r.goesOn(f) && s.take(f, q, e) })
	return f, r.Context().Err()
}

// goesOn reports whether there is time left to look at the next entry. It is asked for some of them only.
func (r *request) goesOn(f *found) bool {
	f.looked++
	return f.looked%64 != 0 || r.Context().Err() == nil
}

// collectAt is the same from etcd's history.
func (s *Server) collectAt(r *request, q *query, revision int64, start string) (*found, error) {
	if restore, _ := s.store.TakenBack(revision); restore != 0 {
		return nil, s.notKept(r, revision, s.store.Revision())
	}
	f := &found{revision: revision, remaining: -1}
	err := s.store.ListAt(r.Context(), r.row, r.namespace, revision, start,
		func(e *store.Entry) bool { return r.goesOn(f) && s.take(f, q, e) && f.next == nil })
	if err == nil {
		err = r.Context().Err()
	}
	if err == nil && f.next != nil && q.all {
		f.remaining, err = s.store.CountAt(r.Context(), r.row, r.namespace, revision, f.next.Start)
	}
	return f, err
}

// take adds the entry to what was found, and reports whether there is more to look for.
func (s *Server) take(f *found, q *query, e *store.Entry) bool {
	full := q.Limit > 0 && int64(len(f.entries)) == q.Limit
	switch {
	case full && f.next == nil:
		f.next = &continuation{Revision: f.revision, Start: e.Key, Issued: s.Clock.Now().Unix()}
		f.remaining = 1
		return q.all // only then is it known how many are left, without looking at each
	case full:
		f.remaining++
	case q.matches(e):
		f.entries = append(f.entries, e)
	}
	return true
}

// answerList answers with a list as the client wants to see it.
func (s *Server) answerList(r *request, q *query, f *found) error {
	m, err := negotiate(r.Request, offer{proto: hasProto(r.row.New()), table: true})
	if err != nil {
		return err
	}
	meta := metav1.ListMeta{}
	if f.revision > 0 { // else nothing of it is stored
		meta.ResourceVersion = strconv.FormatInt(f.revision, 10)
	}
	if f.next != nil {
		meta.Continue = f.next.String()
		if q.all {
			meta.RemainingItemCount = &f.remaining
		}
	}
	switch {
	case m.As == "Table":
		table, err := s.tableOf(r, m, f.entries)
		if err != nil {
			return err
		}
		table.ListMeta = meta
		s.write(r, m, http.StatusOK, table)
		return nil
	case m.As != "":
		s.write(r, m, http.StatusOK, partialList(r, m, meta, f.entries))
		return nil
	}
	l := list{meta: meta, entries: f.entries}
	l.apiVersion, l.kind = r.listKind().ToAPIVersionAndKind()
	if r.served != nil { // another version: its bytes are not kept
		for i, e := range l.entries {
			l.entries[i] = store.Unwritten(r.row, r.out(e.Object))
		}
	}
	return s.sendList(r, m, l)
}

// sendList writes a list of objects. JSON, which is asked for most, is written in pieces from the bytes that are there.
func (s *Server) sendList(r *request, m media, l list) error {
	switch {
	case m.Type == mediaProto:
		body, err := m.protoListBytes(l)
		if err != nil {
			return err
		}
		s.send(r, m, http.StatusOK, body)
		return nil
	case m.Type == mediaJSON && !m.Pretty:
		r.w.Header().Set("Content-Type", m.Type)
		r.w.Header().Set("Cache-Control", "no-cache, private")
		out := r.compressed(http.StatusOK)
		if err := errors.Join(writeList(out, l), out.Close()); err != nil {
			s.Logger.Debug("a list was not read to its end", "component", "apiserver", "path", r.URL.Path, "err", err)
		}
		return nil
	}
	var plain bytes.Buffer
	if err := writeList(&plain, l); err != nil {
		return err
	}
	form := indent
	if m.Type == mediaYAML {
		form = jsonToYAML
	}
	body, err := form(plain.Bytes())
	if err != nil {
		return err
	}
	s.send(r, m, http.StatusOK, body)
	return nil
}

func partialList(r *request, m media, meta metav1.ListMeta, entries []*store.Entry) *metav1.PartialObjectMetadataList {
	l := &metav1.PartialObjectMetadataList{ListMeta: meta}
	l.APIVersion, l.Kind = metav1.GroupName+"/"+m.AsVersion, "PartialObjectMetadataList"
	l.Items = make([]metav1.PartialObjectMetadata, len(entries))
	for i, e := range entries {
		l.Items[i] = *partial(e.Object, m.AsVersion)
	}
	return l
}
