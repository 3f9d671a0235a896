package apiserver

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"minik.dev/api"
	"minik.dev/apiserver/etcd"
	"minik.dev/apiserver/store"
	"minik.dev/journal"
)

// After a restore nobody is served what was taken back: the store goes on at a later revision than anybody knows, whoever
// remembers one that was taken back lists again, whoever remembers an earlier one goes on, and the journal says what happened.
func TestARestoreMovesTimeForward(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "s.db")
	ts := startOn(t, filepath.Join(dir, "before"))
	ts.namespace(t, "shop")
	early := ts.configMap(t, "shop", "early")
	kept := ts.configMap(t, "shop", "kept")
	remote, err := etcd.Connect(t.Context(), []string{ts.etcd.Endpoint})
	require.NoError(t, err)
	_, err = etcd.Save(t.Context(), remote.Client, path)
	require.NoError(t, err)
	require.NoError(t, remote.Stop())
	lost := ts.configMap(t, "shop", "lost")
	page, err := ts.client.CoreV1().ConfigMaps("shop").List(t.Context(), metav1.ListOptions{Limit: 1})
	require.NoError(t, err)
	ts.stop()

	saved, revision, err := etcd.Restore(t.Context(), path, filepath.Join(dir, "after"), etcd.Restored{
		Above: etcd.Newest(filepath.Join(dir, "before")),
		Record: func(revision int64) (key, value []byte, err error) {
			return store.RestoreRecord(revisionNumber(t, kept.ResourceVersion), revision,
				journal.Entry{Actor: api.Actor{User: "ada"}, Reason: "s.db was restored"})
		},
	})
	require.NoError(t, err)
	require.Equal(t, kept.ResourceVersion, fmt.Sprint(saved.Revision))
	require.Greater(t, revision, revisionNumber(t, page.ResourceVersion))

	ts = startOn(t, filepath.Join(dir, "after"))
	maps := ts.client.CoreV1().ConfigMaps("shop")
	list, err := maps.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(revision), list.ResourceVersion)
	require.Len(t, list.Items, 2)

	// A revision that was taken back is nothing to go on from, or to read at.
	w, err := maps.Watch(t.Context(), metav1.ListOptions{ResourceVersion: lost.ResourceVersion})
	if err == nil {
		require.Equal(t, "ERROR 410 Expired", told(t, w))
	} else {
		require.True(t, apierrors.IsResourceExpired(err), "%v", err)
	}
	_, err = maps.List(t.Context(), metav1.ListOptions{Limit: 1, Continue: page.Continue})
	require.True(t, apierrors.IsResourceExpired(err), "%v", err)
	_, err = maps.List(t.Context(), metav1.ListOptions{ResourceVersion: lost.ResourceVersion,
		ResourceVersionMatch: metav1.ResourceVersionMatchExact})
	require.True(t, apierrors.IsResourceExpired(err), "%v", err)
	response, body := ts.call(t, "GET", "/at/"+lost.ResourceVersion+"/api/v1/namespaces/shop/configmaps", "")
	require.Equal(t, http.StatusGone, response.StatusCode)
	require.Contains(t, status(t, body).Message, fmt.Sprintf("revision %s was taken back: revision %d restored the snapshot of revision %s",
		lost.ResourceVersion, revision, kept.ResourceVersion))
	lost.ResourceVersion = page.ResourceVersion
	_, err = maps.Update(t.Context(), lost, metav1.UpdateOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)

	// An earlier one is.
	response, _ = ts.call(t, "GET", "/at/"+early.ResourceVersion+"/api/v1/namespaces/shop/configmaps/early", "")
	require.Equal(t, http.StatusOK, response.StatusCode)
	w, err = maps.Watch(t.Context(), metav1.ListOptions{ResourceVersion: early.ResourceVersion})
	require.NoError(t, err)
	require.Equal(t, "ADDED kept", told(t, w))
	next := ts.configMap(t, "shop", "next")
	require.Equal(t, "ADDED next", told(t, w))
	require.Greater(t, revisionNumber(t, next.ResourceVersion), revision)

	// The journal says so.
	restored := ts.revisions(t, "").Items
	for _, r := range restored {
		if r.GetName() == fmt.Sprint(revision) {
			require.Equal(t, journal.RestoreVerb, r.Verb)
			require.Equal(t, "ada", r.Actor.User)
			require.Equal(t, fmt.Sprintf("s.db was restored: it is as it was at revision %s; later revisions before %d are taken back",
				kept.ResourceVersion, revision), r.Reason)
			return
		}
	}
	t.Fatalf("%d is not among the revisions", revision)
}
