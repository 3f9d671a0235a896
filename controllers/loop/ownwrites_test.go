package loop_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"minik.dev/controllers/controllertest"
	"minik.dev/controllers/loop"
)

// The UID is what tells a pod from a later one of the same name.
func TestOwnWritesTellPodsOfOneNameApart(t *testing.T) {
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, nil)
	pod := controllertest.PodGiven(controllertest.Given{T: t, Name: "a"})
	require.NoError(t, store.Add(pod))
	var writes loop.OwnWrites
	writes.Deleted("shop/web", pod)
	require.False(t, writes.ShownBy(store, "shop/web"))
	another := pod.DeepCopy()
	another.UID = types.UID("another")
	require.NoError(t, store.Update(another))
	require.True(t, writes.ShownBy(store, "shop/web"))
}
