package apiserver

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	listvalidation "k8s.io/apimachinery/pkg/apis/meta/internalversion/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// checkWriteOptions checks what the query of a write says besides the body. The rules are upstream's own, from apimachinery.
// What is passed on to somebody else is theirs to judge.
func (r *request) checkWriteOptions() error {
	if r.longRunning() {
		return nil
	}
	values := r.URL.Query()
	switch r.verb {
	case "create":
		o := &metav1.CreateOptions{}
		r.options = o
		err := metav1.Convert_url_Values_To_v1_CreateOptions(&values, o, nil)
		return wrongOptions("CreateOptions", err, metav1validation.ValidateCreateOptions(o))
	case "update":
		o := &metav1.UpdateOptions{}
		r.options = o
		err := metav1.Convert_url_Values_To_v1_UpdateOptions(&values, o, nil)
		return wrongOptions("UpdateOptions", err, metav1validation.ValidateUpdateOptions(o))
	case "patch":
		o, err := patchOptions(values)
		r.options = o
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		return wrongOptions("PatchOptions", err, metav1validation.ValidatePatchOptions(o, types.PatchType(kind)))
	}
	return nil
}

func patchOptions(values url.Values) (*metav1.PatchOptions, error) {
	o := &metav1.PatchOptions{}
	return o, metav1.Convert_url_Values_To_v1_PatchOptions(&values, o, nil)
}

// wrongOptions words what is wrong with the options of a request, if anything is: 400 where they can't be read, 422 where
// they can't be meant.
func wrongOptions(kind string, unreadable error, mistakes field.ErrorList) error {
	switch {
	case unreadable != nil:
		return apierrors.NewBadRequest(unreadable.Error())
	case len(mistakes) > 0:
		return invalidObject(schema.GroupKind{Group: metav1.GroupName, Kind: kind}, "", mistakes, false)
	}
	return nil
}

// settleListOptions checks the options of a list or a watch, and fills in what they leave open: a watch that starts from no
// revision asks for the present as its first events.
func settleListOptions(o *metav1.ListOptions, watch bool) error {
	all := &internalversion.ListOptions{
		Watch: watch, ResourceVersion: o.ResourceVersion, ResourceVersionMatch: o.ResourceVersionMatch,
		SendInitialEvents: o.SendInitialEvents, Continue: o.Continue,
	}
	internalversion.SetListOptionsDefaults(all, true)
	o.SendInitialEvents, o.ResourceVersionMatch = all.SendInitialEvents, all.ResourceVersionMatch
	return wrongOptions("ListOptions", nil, listvalidation.ValidateListOptions(all, true))
}

// timeout is how long the request may take: what its query says, up to requestTimeout.
func (r *request) timeout() (time.Duration, error) {
	asked := r.URL.Query().Get("timeout")
	if asked == "" {
		return requestTimeout, nil
	}
	d, err := time.ParseDuration(asked)
	if err != nil {
		return 0, apierrors.NewBadRequest(fmt.Sprintf("invalid timeout specified in the request URL - %v", err))
	}
	if d <= 0 || d > requestTimeout {
		return requestTimeout, nil // zero asks for the default, and nobody gets more than it (upstream)
	}
	return d, nil
}
