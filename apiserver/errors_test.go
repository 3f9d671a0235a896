package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// What etcd could not do in time, or for now, is no fault of the server's: the client is told to try again.
func TestEtcdsTroublesAreNotInternalErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		code   int32
		reason metav1.StatusReason
		retry  int32
	}{
		{context.DeadlineExceeded, http.StatusGatewayTimeout, metav1.StatusReasonTimeout, 0},
		{rpctypes.ErrTimeout, http.StatusGatewayTimeout, metav1.StatusReasonTimeout, 0},
		{rpctypes.ErrTimeoutDueToLeaderFail, http.StatusGatewayTimeout, metav1.StatusReasonTimeout, 0},
		{rpctypes.ErrTimeoutDueToConnectionLost, http.StatusGatewayTimeout, metav1.StatusReasonTimeout, 0},
		{grpcstatus.Error(codes.DeadlineExceeded, "late"), http.StatusGatewayTimeout, metav1.StatusReasonTimeout, 0},
		{rpctypes.ErrTooManyRequests, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, 1},
		{rpctypes.ErrNoLeader, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, 1},
		{rpctypes.ErrLeaderChanged, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, 1},
		{grpcstatus.Error(codes.Unavailable, "refused"), http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, 1},
		{rpctypes.ErrNoSpace, http.StatusInsufficientStorage, metav1.StatusReasonInternalError, 0},
		{rpctypes.ErrTooManyOps, http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge, 0},
		{rpctypes.ErrCorrupt, http.StatusInternalServerError, metav1.StatusReasonInternalError, 0},
		{errors.New("the disk is broken"), http.StatusInternalServerError, metav1.StatusReasonInternalError, 0},
	} {
		status := statusOf(fmt.Errorf("writing to etcd: %w", c.err), schema.GroupResource{Resource: "pods"}, "a")
		require.Equal(t, c.code, status.Code, "%v", c.err)
		require.Equal(t, c.reason, status.Reason, "%v", c.err)
		retry := int32(0)
		if status.Details != nil {
			retry = status.Details.RetryAfterSeconds
		}
		require.Equal(t, c.retry, retry, "%v", c.err)
	}
}

// A mistake shows its value up to a bound, and a list of them ends somewhere: 15,000 owners that all want to control an object are
// 15,000 mistakes, each of which shows all of them.
func TestMistakesAreBounded(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	refs := numbered(15_000, ",", `{"apiVersion":"v1","kind":"ConfigMap","name":"x","controller":true,"uid":"%d"}`)
	response, body := ts.call(t, "POST", "/api/v1/namespaces/shop/configmaps", `{"metadata":{"name":"n","ownerReferences":[`+refs+`]}}`)
	require.Equal(t, http.StatusUnprocessableEntity, response.StatusCode)
	require.Less(t, len(body), 1<<20)
	require.Contains(t, string(body), "more mistakes are not told")
	require.Contains(t, string(body), "bytes more)")
}
