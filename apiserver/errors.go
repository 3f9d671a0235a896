package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"minik.dev/apiserver/passthrough"
	"minik.dev/apiserver/store"
)

// statusOf is the one place where an error becomes the Status that a client reads. Errors that are a Status already stay
// what they are; those of the store are given upstream's reasons and words for the object they are about.
func statusOf(err error, resource schema.GroupResource, name string) *metav1.Status {
	var told apierrors.APIStatus
	if errors.As(err, &told) {
		s := told.Status()
		s.Kind, s.APIVersion = "Status", "v1"
		return &s
	}
	s := translate(err, resource, name).Status()
	s.Kind, s.APIVersion = "Status", "v1"
	return &s
}

func translate(err error, resource schema.GroupResource, name string) *apierrors.StatusError {
	var conflict *store.ConflictError
	var unreachable *passthrough.UnreachableError
	switch {
	case errors.Is(err, store.ErrNotFound):
		return apierrors.NewNotFound(resource, name)
	case errors.Is(err, store.ErrExists):
		return apierrors.NewAlreadyExists(resource, name)
	case errors.As(err, &conflict):
		return apierrors.NewConflict(resource, name, conflict)
	case errors.Is(err, store.ErrGone):
		return apierrors.NewResourceExpired(err.Error())
	case errors.Is(err, rpctypes.ErrCompacted):
		return apierrors.NewResourceExpired("The provided resource version is too old: history before it was compacted.")
	case errors.Is(err, store.ErrFuture):
		return tooLargeRevision(err.Error())
	case errors.Is(err, rpctypes.ErrFutureRev):
		return tooLargeRevision("Too large resource version: " + err.Error())
	case errors.Is(err, rpctypes.ErrRequestTooLarge):
		return apierrors.NewRequestEntityTooLargeError("etcd takes objects of at most 1.5 MiB")
	case errors.Is(err, rpctypes.ErrNoSpace):
		e := apierrors.NewInternalError(fmt.Errorf("the store is full, and takes no writes: %w; "+
			"history is being forgotten to make room: try again in some seconds", err))
		e.ErrStatus.Code = http.StatusInsufficientStorage
		return e
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return timedOut()
	case errors.As(err, &unreachable):
		return apierrors.NewServiceUnavailable(err.Error())
	}
	return ofEtcd(err)
}

// ofEtcd words what etcd says where it has not served a request in time, where there are too many of them, and where nobody
// leads or serves: none of that is wrong for good, and the client may try again. A write that timed out may be done all the
// same. What is left is a fault of the server's own.
func ofEtcd(err error) *apierrors.StatusError {
	code := grpcstatus.Code(err)
	if known := (rpctypes.EtcdError{}); errors.As(err, &known) {
		code = known.Code()
	}
	slow := slices.ContainsFunc(etcdSlow, func(e error) bool { return errors.Is(err, e) })
	switch {
	case slow, code == codes.DeadlineExceeded, code == codes.Canceled:
		return apierrors.NewTimeoutError("the store did not answer in time: "+err.Error(), 0)
	case code == codes.ResourceExhausted:
		return apierrors.NewTooManyRequests("the store takes no more requests for now: "+err.Error(), 1)
	case code == codes.Unavailable, errors.Is(err, rpctypes.ErrNotLeader):
		e := apierrors.NewServiceUnavailable("the store can't be asked for now: " + err.Error())
		e.ErrStatus.Details = &metav1.StatusDetails{RetryAfterSeconds: 1}
		return e
	case errors.Is(err, rpctypes.ErrTooManyOps):
		return apierrors.NewRequestEntityTooLargeError("the object claims more than one write can take: " + err.Error())
	}
	return apierrors.NewInternalError(err)
}

// etcdSlow is how etcd says that it did not serve a request in time; by their code they would be of those that none serves.
var etcdSlow = []error{rpctypes.ErrTimeout, rpctypes.ErrTimeoutDueToLeaderFail, rpctypes.ErrTimeoutDueToConnectionLost,
	rpctypes.ErrTimeoutWaitAppliedIndex}

// timedOut is the answer to a request that used up its time, in upstream's words.
func timedOut() *apierrors.StatusError {
	return apierrors.NewTimeoutError("request did not complete within the allotted timeout", 0)
}

// tooLargeRevision refuses a revision that is still to come. The cause is by which client-go tells it from other timeouts: it
// lists again without a revision. So a watch is refused as well, for which upstream lets one wait: a store that was set back
// has clients that know a later revision, and they notice.
func tooLargeRevision(message string) *apierrors.StatusError {
	e := apierrors.NewTimeoutError(message, 1)
	e.ErrStatus.Details.Causes = []metav1.StatusCause{{
		Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version",
	}}
	return e
}
