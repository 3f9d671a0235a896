package apiserver

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The reviews are answered from the rules that requests are held to (kubectl auth can-i, k9s).
func TestReviews(t *testing.T) {
	ts := start(t)
	ask := func(path, body string, into any, headers ...string) {
		t.Helper()
		response, answer := ts.call(t, "POST", path, body, append(headers, "Content-Type", "application/json")...)
		require.Equal(t, http.StatusCreated, response.StatusCode, "%s", answer)
		require.NoError(t, json.Unmarshal(answer, into))
	}
	const self = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
	const question = `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1",
		"spec":{"resourceAttributes":{"namespace":"shop","verb":"delete","resource":"pods"}}}`
	var own authorizationv1.SelfSubjectAccessReview
	ask(self, question, &own)
	require.True(t, own.Status.Allowed)
	require.Equal(t, "the group system:masters may do everything", own.Status.Reason)
	require.Equal(t, "delete", own.Spec.ResourceAttributes.Verb, "the question is in the answer")
	ask(self, question, &own, "Impersonate-User", "jane")
	require.False(t, own.Status.Allowed)

	var other authorizationv1.SubjectAccessReview
	ask("/apis/authorization.k8s.io/v1/subjectaccessreviews",
		`{"spec":{"user":"jane","nonResourceAttributes":{"verb":"get","path":"/readyz"}}}`, &other)
	require.True(t, other.Status.Allowed)
	var local authorizationv1.LocalSubjectAccessReview
	ask("/apis/authorization.k8s.io/v1/namespaces/shop/localsubjectaccessreviews",
		`{"spec":{"user":"jane","resourceAttributes":{"namespace":"shop","verb":"get","resource":"pods"}}}`, &local)
	require.False(t, local.Status.Allowed)

	var rules authorizationv1.SelfSubjectRulesReview
	ask("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", `{"spec":{"namespace":"shop"}}`, &rules,
		"Impersonate-User", "jane")
	require.Contains(t, rules.Status.ResourceRules, authorizationv1.ResourceRule{Verbs: []string{"create"},
		APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"selfsubjectreviews"}})
	require.Equal(t, "/healthz", rules.Status.NonResourceRules[0].NonResourceURLs[0])

	var who authenticationv1.SelfSubjectReview
	ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", `{}`, &who,
		"Impersonate-User", "jane", "Impersonate-Group", "devs", "Impersonate-Extra-Team", "shop")
	require.Equal(t, authenticationv1.UserInfo{Username: "jane", Groups: []string{"devs", "system:authenticated"},
		Extra: map[string]authenticationv1.ExtraValue{"team": {"shop"}}}, who.Status.UserInfo)
	var token authenticationv1.TokenReview
	ask("/apis/authentication.k8s.io/v1/tokenreviews", `{"spec":{"token":"abc"}}`, &token)
	require.False(t, token.Status.Authenticated)
	require.Equal(t, "invalid bearer token", token.Status.Error)
}

// A review is a question and no object: it has no metadata, is not listed, and says what is missing in upstream's words.
func TestReviewsThatAskNothing(t *testing.T) {
	ts := start(t)
	const group = "/apis/authorization.k8s.io/v1"
	for _, c := range []struct{ path, body, message string }{
		{"/selfsubjectaccessreviews", `{}`, "spec.resourceAttributes: Invalid value: null: exactly one of " +
			"nonResourceAttributes or resourceAttributes must be specified"},
		{"/selfsubjectaccessreviews", `{"metadata":{"name":"x"},"spec":{"nonResourceAttributes":{}}}`, "must be empty"},
		{"/subjectaccessreviews", `{"spec":{"nonResourceAttributes":{},"resourceAttributes":{}}}`,
			"cannot be specified in combination with resourceAttributes"},
		{"/subjectaccessreviews", `{"spec":{"nonResourceAttributes":{}}}`, "at least one of user or group must be specified"},
		{"/namespaces/shop/localsubjectaccessreviews", `{"spec":{"user":"jane","resourceAttributes":{"namespace":"bank"}}}`,
			`spec.resourceAttributes.namespace: Invalid value: "bank": must match metadata.namespace`},
		{"/selfsubjectrulesreviews", `{}`, "no namespace on request"},
	} {
		response, body := ts.call(t, "POST", group+c.path, c.body, "Content-Type", "application/json")
		require.Equal(t, http.StatusUnprocessableEntity, response.StatusCode, "%s: %s", c.path, body)
		require.Contains(t, status(t, body).Message, c.message)
	}
	response, body := ts.call(t, "GET", group+"/subjectaccessreviews", "")
	require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, "%s", body)
	require.Equal(t, metav1.StatusReasonMethodNotAllowed, status(t, body).Reason)
}
