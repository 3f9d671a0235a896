package etcd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.uber.org/zap"
)

// check says whether etcd can open its data, because etcd panics, ends the process or waits forever where it cannot.
// It looks at each page of the database and at nothing that is inside: etcd checks the log itself.
//
// began says that something was stored once, as far as the database has it.
func check(dir string) (began bool, err error) {
	database := filepath.Join(dir, "member", "snap", "db") // of the data itself: see databaseOf
	info, err := os.Stat(database)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return false, nil // a first start, perhaps one that was cut off: etcd makes the database of its log
	}
	if err != nil {
		return false, fmt.Errorf("looking at etcd's database: %w", err)
	}
	revisions, err := readDatabase(database)
	if err != nil {
		return false, fmt.Errorf("etcd's database %s is damaged: %w", database, err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "member", "wal", "*.wal"))
	if err == nil && len(logs) == 0 && revisions > 0 {
		err = fmt.Errorf("etcd's log is missing in %s: its database alone is not complete", filepath.Join(dir, "member", "wal"))
	}
	return revisions > 0, err
}

// openPatience is how long another process may keep a database from being opened.
const openPatience = time.Second

// readDatabase counts the revisions in the database. It reads every page, in the order of the tree; a page that lies
// outside of the file is a fault of memory, which becomes an error here.
func readDatabase(path string) (revisions int, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: openPatience})
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }() // nothing was written
	err = db.View(func(tx *bbolt.Tx) error {
		if err := tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
			return bucket.ForEach(func(_, _ []byte) error {
				if string(name) == "key" {
					revisions++
				}
				return nil
			})
		}); err != nil {
			return err
		}
		var first error
		for err := range tx.Check() {
			if first == nil {
				first = err
			}
		}
		return first
	})
	return revisions, err
}

// neverBegan reports whether the data is of a first start that was cut off before the first entry of the log was written: a log
// is there, and nothing is in it. Nothing was ever stored; but etcd would take itself for a member of a cluster without members,
// and wait for its leader for ever.
func neverBegan(dir string) bool {
	logs := filepath.Join(dir, "member", "wal")
	files, err := filepath.Glob(filepath.Join(logs, "*.wal"))
	if err != nil || len(files) != 1 {
		return false
	}
	log, err := wal.OpenForRead(zap.NewNop(), logs, &walpb.Snapshot{Index: new(uint64), Term: new(uint64)})
	if err != nil {
		return false // it is damaged: etcd says how
	}
	defer func() { _ = log.Close() }() // it was only read
	_, _, entries, err := log.ReadAll()
	return err == nil && len(entries) == 0
}
