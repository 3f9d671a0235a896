package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"minik.dev/apiserver/store"
)

// statusOf is the one place where an error becomes the Status that a client reads. Errors that are a Status already stay
// what they are; those of the store are given upstream's reasons and words for the object they are about.
func statusOf(err error, resource schema.GroupResource, name string) *metav1.Status {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		s := status.Status()
		s.Kind, s.APIVersion = "Status", "v1"
		return &s
	}
	s := translate(err, resource, name).Status()
	s.Kind, s.APIVersion = "Status", "v1"
	return &s
}

func translate(err error, resource schema.GroupResource, name string) *apierrors.StatusError {
	var conflict *store.ConflictError
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
		return apierrors.NewTimeoutError("the request did not complete within the time that it had", 0)
	default:
		return apierrors.NewInternalError(err)
	}
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
