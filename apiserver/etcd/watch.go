package etcd

import (
	"context"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
)

// embeddedWatcher watches an etcd in this process at its store. By way of the client, each change would pass five goroutines
// and be packed for gRPC twice; worse, a watch that is not emptied at once makes etcd read its changes again from the
// database, which cost a sixth of a busy server's time. Everything else is the client's.
type embeddedWatcher struct {
	clientv3.Watcher
	server *etcdserver.EtcdServer
}

// Watch follows the keys from the revision on that the options name; it knows no others. The channel closes when ctx ends, and
// when etcd does. What has not been received yet comes as one response.
func (w *embeddedWatcher) Watch(ctx context.Context, key string, options ...clientv3.OpOption) clientv3.WatchChan {
	op := clientv3.OpGet(key, options...)
	end := op.RangeBytes()
	if len(end) == 1 && end[0] == 0 { // every key from this one on, which the store writes so
		end = []byte{}
	}
	out := make(chan clientv3.WatchResponse, 1)
	stream := w.server.KV().NewWatchStream()
	if _, err := stream.Watch(ctx, clientv3.AutoWatchID, op.KeyBytes(), end, op.Rev()); err != nil {
		stream.Close()
		out <- clientv3.WatchResponse{Canceled: true, CancelReason: fmt.Sprintf("watching the store: %v", err)}
		close(out)
		return out
	}
	go func() {
		defer close(out)
		defer stream.Close()
		w.pass(ctx, stream, out)
	}()
	return out
}

// pass hands over what comes, and never lets it wait in the store.
func (w *embeddedWatcher) pass(ctx context.Context, stream mvcc.WatchStream, out chan<- clientv3.WatchResponse) {
	var waiting clientv3.WatchResponse
	for {
		var to chan<- clientv3.WatchResponse // nil, which takes nothing, while nothing waits
		if len(waiting.Events) > 0 || waiting.Canceled {
			to = out
		}
		select {
		case r, ok := <-stream.Chan():
			if !ok {
				return
			}
			waiting.Header = &pb.ResponseHeader{Revision: r.Revision}
			waiting.Events = append(waiting.Events, r.Events...)
			if r.CompactRevision != 0 {
				waiting.CompactRevision, waiting.Canceled = r.CompactRevision, true
			}
		case to <- waiting:
			if waiting.Canceled {
				return
			}
			waiting = clientv3.WatchResponse{}
		case <-w.server.StopNotify():
			return
		case <-ctx.Done():
			return
		}
	}
}
