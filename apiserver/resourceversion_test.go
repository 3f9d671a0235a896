package apiserver

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A resourceVersion that is no number, or that is still to come, is refused in upstream's words.
func TestResourceVersionsThatCannotBe(t *testing.T) {
	ts := start(t)
	ts.namespace(t, "shop")
	ts.configMap(t, "shop", "a")
	const maps = "/api/v1/namespaces/shop/configmaps"
	for _, path := range []string{maps + "?", maps + "?watch=1&", maps + "/a?"} {
		prefix := ""
		if path == maps+"?" {
			prefix = "invalid resource version: "
		}
		for version, why := range map[string]string{
			"x": "invalid syntax", "-1": "invalid syntax", "1.5": "invalid syntax", "99999999999999999999": "value out of range",
		} {
			response, body := ts.call(t, "GET", path+"resourceVersion="+version, "")
			require.Equal(t, 400, response.StatusCode, "%s", body)
			s := status(t, body)
			require.Equal(t, metav1.StatusReasonBadRequest, s.Reason)
			require.Equal(t, fmt.Sprintf(`%sresourceVersion: Invalid value: %q: strconv.ParseUint: parsing %[2]q: %s`, prefix, version, why),
				s.Message, path)
		}
		response, body := ts.call(t, "GET", path+"resourceVersion=99999999", "") // client-go would ask again and again
		require.Equal(t, 504, response.StatusCode, "%s", body)
		s := status(t, body)
		require.Equal(t, metav1.StatusReasonTimeout, s.Reason)
		require.Regexp(t, `^Timeout: Too large resource version: 99999999, current: \d+$`, s.Message)
		require.Equal(t, []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version"}},
			s.Details.Causes)
		require.Equal(t, "1", response.Header.Get("Retry-After"))
	}
	token := continuation{Revision: 99999999, Start: "/registry/configmaps/shop/", Issued: time.Now().Unix()}
	response, body := ts.call(t, "GET", maps+"?continue="+token.String(), "")
	require.Equal(t, 504, response.StatusCode, "of a list that a store which was set back knows nothing of: %s", body)
	require.Contains(t, status(t, body).Message, "Timeout: Too large resource version: ")
}
