package etcd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"
)

// Snapshot is what a file says of the store that it is a copy of.
type Snapshot struct {
	// Revision is the store's when it was saved, Objects how many objects it had then; Bytes is the size of the database.
	Revision int64
	Objects  int
	Bytes    int64
	// SHA256 is the checksum at the end of the file, in hexadecimal.
	SHA256 string
}

// Save writes a copy of the whole store, with its history, into a new file. It is etcd's own format: the database,
// and behind it its SHA-256, as etcdctl writes and etcdutl reads it. The store is written to meanwhile as ever.
func Save(ctx context.Context, client *clientv3.Client, path string) (Snapshot, error) {
	if _, err := os.Stat(path); err == nil {
		return Snapshot{}, fmt.Errorf("saving the snapshot: %s is there already, and is not written over", path)
	}
	file, name, publish, err := createHidden(path)
	if err != nil {
		return Snapshot{}, fmt.Errorf("saving the snapshot: %w", err)
	}
	var s Snapshot
	err = receive(ctx, client, file)
	if err == nil {
		s, err = Verify(name)
	}
	if err == nil {
		err = publish()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return Snapshot{}, errors.Join(fmt.Errorf("saving the snapshot to %s: %w", path, err), discard(name))
	}
	return s, nil
}

// createPart makes a file that is there under another name until it is published: a file of the right name is whole. One that
// a process left which was killed is written anew. It is for systems without files that have no name.
func createPart(path string) (file *os.File, name string, publish func() error, err error) {
	name = path + partSuffix
	file, err = os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // there are Secrets in it
	return file, name, func() error { return os.Rename(name, path) }, err
}

const partSuffix = ".part"

// discard removes what was made in part.
func discard(name string) error {
	if !strings.HasSuffix(name, partSuffix) {
		return nil // it had no name, and is gone
	}
	return os.Remove(name)
}

// receive copies what etcd sends to the disk.
func receive(ctx context.Context, client *clientv3.Client, file *os.File) error {
	response, err := client.SnapshotWithVersion(ctx)
	if err != nil {
		return fmt.Errorf("asking etcd for it: %w", err)
	}
	defer func() { _ = response.Snapshot.Close() }() // it was read to its end, or the error says so
	if _, err := io.Copy(file, response.Snapshot); err != nil {
		return fmt.Errorf("receiving it from etcd: %w", err)
	}
	return file.Sync()
}

// page is what a database's size is a multiple of; a file with a checksum behind it has that much more.
const page = 512

// Verify reads the whole file and says what is in it, or how it is damaged.
func Verify(path string) (Snapshot, error) {
	file, err := os.Open(path)
	if err != nil {
		return Snapshot{}, fmt.Errorf("reading the snapshot: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return Snapshot{}, fmt.Errorf("reading the snapshot: %w", err)
	}
	size := info.Size() - sha256.Size
	if size <= 0 || size%page != 0 {
		return Snapshot{}, fmt.Errorf("%s is no snapshot, or a part of one: its %d bytes are not a database and a checksum of "+
			"%d bytes", path, info.Size(), sha256.Size)
	}
	sum := sha256.New()
	if _, err := io.CopyN(sum, file, size); err != nil {
		return Snapshot{}, fmt.Errorf("reading the snapshot %s: %w", path, err)
	}
	said, err := io.ReadAll(file)
	if err != nil {
		return Snapshot{}, fmt.Errorf("reading the snapshot %s: %w", path, err)
	}
	if !bytes.Equal(sum.Sum(nil), said) {
		return Snapshot{}, fmt.Errorf("%s is damaged: its SHA-256 is %x, and the one at its end is %x", path, sum.Sum(nil), said)
	}
	s := Snapshot{Bytes: size, SHA256: hex.EncodeToString(said)}
	if _, err := readDatabase(path); err != nil {
		return Snapshot{}, fmt.Errorf("the database in %s is damaged: %w", path, err)
	}
	s.Revision, s.Objects, err = contentsOf(path)
	if err != nil {
		return Snapshot{}, fmt.Errorf("the database in %s is not etcd's: %w", path, err)
	}
	return s, nil
}

// contentsOf finds the newest revision in a database, and counts the objects that there are at it. Each entry of the bucket
// is one revision of one key: 8 bytes for the revision, "_", 8 for its place in the transaction, and "t" for a deletion.
func contentsOf(path string) (revision int64, objects int, err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: openPatience})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = db.Close() }() // nothing was written
	there := map[string]bool{}
	err = db.View(func(tx *bbolt.Tx) error {
		keys := tx.Bucket([]byte("key"))
		if keys == nil {
			return errors.New("it has no keys")
		}
		return keys.ForEach(func(at, value []byte) error {
			if len(at) < 17 {
				return fmt.Errorf("%x is no revision", at)
			}
			revision = max(revision, int64(binary.BigEndian.Uint64(at)))
			deleted := len(at) > 17
			var kv mvccpb.KeyValue
			if err := proto.Unmarshal(value, &kv); err != nil {
				return fmt.Errorf("revision %x is no key and value: %w", at, err)
			}
			key := string(kv.Key)
			if !strings.HasPrefix(key, "/registry/") {
				return nil
			}
			if there[key] = !deleted; deleted {
				delete(there, key)
			}
			return nil
		})
	})
	return revision, len(there), err
}

// Restored says how a snapshot is restored.
type Restored struct {
	// Above is the newest revision that clients may know: the restored store goes on with one that is higher.
	Above int64
	// Record is what is written at that revision: a key and its value, which say what happened.
	Record func(revision int64) (key, value []byte, err error)
}

// Restore makes the data directory of an embedded etcd of a snapshot, and returns the revision that it begins with. Dir must not
// be there; when it is, it is whole.
//
// A snapshot has no log, and etcd wants one that fits its database. So an etcd is started on nothing, which makes log and
// membership; then the saved database takes the place of the empty one, with the few entries that tie it to the log.
// Real etcd's etcdutl writes such a log by itself.
func Restore(ctx context.Context, path, dir string, o Restored) (s Snapshot, revision int64, err error) {
	if s, err = Verify(path); err != nil {
		return s, 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("restoring %s: %w", path, err), os.RemoveAll(dir))
		}
	}()
	empty, err := Start(ctx, Options{Dir: dir})
	if err != nil {
		return s, 0, err
	}
	if err := empty.Stop(); err != nil {
		return s, 0, err
	}
	database := databaseOf(dir)
	restored := database + ".restored"
	if err := copyDatabase(path, restored, s.Bytes); err != nil {
		return s, 0, err
	}
	revision = forward(s.Revision, o.Above)
	key, value, err := o.Record(revision)
	if err != nil {
		return s, 0, err
	}
	if err := adoptLog(database, restored, revision, &mvccpb.KeyValue{
		Key: key, Value: value, CreateRevision: revision, ModRevision: revision, Version: 1,
	}); err != nil {
		return s, 0, err
	}
	return s, revision, os.Rename(restored, database)
}

// databaseOf is where an etcd keeps its database.
func databaseOf(dir string) string { return filepath.Join(dir, "data", "member", "snap", "db") }

const (
	// forwardStep makes the revisions after a restore easy to tell: they begin with a full million.
	forwardStep = 1_000_000
	// notWritten is how many revisions a client may know that are in etcd's log and not in its database yet: etcd writes them
	// there at least every 10,000.
	notWritten = 100_000
	// unknown is how far a store goes on whose earlier revisions nobody knows, as etcd's documentation recommends it.
	unknown = 1_000_000_000
)

// forward is the pure decision at which revision a restored store goes on: at one that no client can know yet, so that whoever
// remembers a state that was taken back is told so. above is the newest that the data had which is replaced, or -1 where it can't
// be read.
func forward(saved, above int64) int64 {
	newest := max(saved, above) + notWritten
	if above < 0 {
		newest = saved + unknown
	}
	return (newest/forwardStep + 1) * forwardStep
}

// Newest is the newest revision in the data of an etcd that does not run; 0 where there is none, and -1 where it can't be read.
func Newest(dir string) int64 {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if _, err := readDatabase(databaseOf(dir)); err != nil { // a damaged one would end the process
		return -1
	}
	revision, _, err := contentsOf(databaseOf(dir))
	if err != nil {
		return -1
	}
	return revision
}

// copyDatabase copies a snapshot without its checksum.
func copyDatabase(from, to string, size int64) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // it was only read
	target, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyN(target, source, size)
	return errors.Join(err, target.Sync(), target.Close())
}

// tied are the entries of etcd's bucket "meta" that say up to where of which log the database is; the others are about
// compaction and belong to the data.
var tied = [][]byte{[]byte("consistent_index"), []byte("term"), []byte("confState"), []byte("storageVersion")}

// membership are the buckets that say who belongs to the cluster.
var membership = [][]byte{[]byte("members"), []byte("members_removed"), []byte("cluster")}

// adoptLog makes the restored database fit the log of the empty one, and ends its history with one more revision.
func adoptLog(empty, restored string, revision int64, last *mvccpb.KeyValue) error {
	from, err := bbolt.Open(empty, 0o600, &bbolt.Options{ReadOnly: true, Timeout: openPatience})
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // it was only read
	to, err := bbolt.Open(restored, 0o600, &bbolt.Options{Timeout: openPatience})
	if err != nil {
		return err
	}
	err = from.View(func(source *bbolt.Tx) error {
		return to.Update(func(target *bbolt.Tx) error {
			for _, name := range membership {
				if err := replaceBucket(source, target, name); err != nil {
					return fmt.Errorf("taking over bucket %s: %w", name, err)
				}
			}
			meta, newMeta := target.Bucket([]byte("meta")), source.Bucket([]byte("meta"))
			if meta == nil || newMeta == nil {
				return errors.New("the database has no bucket meta")
			}
			for _, key := range tied {
				var err error
				if value := newMeta.Get(key); value != nil {
					err = meta.Put(key, value)
				} else {
					err = meta.Delete(key)
				}
				if err != nil {
					return fmt.Errorf("taking over %s: %w", key, err)
				}
			}
			return putRevision(target, revision, last)
		})
	})
	return errors.Join(err, to.Close())
}

// putRevision writes one change of one key, as etcd does.
func putRevision(target *bbolt.Tx, revision int64, kv *mvccpb.KeyValue) error {
	keys := target.Bucket([]byte("key"))
	if keys == nil {
		return errors.New("the database has no keys")
	}
	value, err := proto.Marshal(kv)
	if err != nil {
		return err
	}
	at := append(binary.BigEndian.AppendUint64(nil, uint64(revision)), '_')
	return keys.Put(binary.BigEndian.AppendUint64(at, 0), value)
}

// replaceBucket copies a bucket.
func replaceBucket(source, target *bbolt.Tx, name []byte) error {
	if target.Bucket(name) != nil {
		if err := target.DeleteBucket(name); err != nil {
			return err
		}
	}
	from := source.Bucket(name)
	if from == nil {
		return nil
	}
	to, err := target.CreateBucket(name)
	if err != nil {
		return err
	}
	return from.ForEach(to.Put)
}
