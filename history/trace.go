package history

import (
	"context"

	"minik.dev/api"
	"minik.dev/journal"
)

// Around reads the revisions that a trace of the object needs: all from its first write on, and before that what led to it.
func (r *Reader) Around(ctx context.Context, object journal.Object) ([]api.Revision, error) {
	var first int64
	err := r.revisions(ctx, selecting(object), 0, func(revision api.Revision) bool {
		n, err := ParseRevision(revision.ObjectMeta.Name)
		if err == nil {
			first = n
		}
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	if first == 0 {
		return nil, unknownObject(object)
	}
	var revisions []api.Revision
	err = r.revisions(ctx, nil, 0, func(revision api.Revision) bool {
		n, err := ParseRevision(revision.ObjectMeta.Name)
		if err != nil || n < first {
			return false
		}
		revisions = append(revisions, revision)
		return true
	})
	if err != nil {
		return nil, err
	}
	asked := map[int64]bool{}
	for more := true; more; {
		more = false
		for _, n := range journal.Unknown(revisions, object) {
			if asked[n] {
				continue
			}
			asked[n] = true
			revision, ok, err := r.revision(ctx, n)
			if err != nil {
				return nil, err
			}
			if ok {
				revisions, more = append(revisions, revision), true
			}
		}
	}
	return revisions, nil
}
