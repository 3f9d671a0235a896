package etcd_test

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"

	"minik.dev/apiserver/etcd"
)

// Data that etcd cannot open is an error that says what to do; etcd itself would panic, or wait forever.
func TestDamagedData(t *testing.T) {
	const database, log = "data/member/snap/db", "data/member/wal/0000000000000000-0000000000000000.wal"
	good := filepath.Join(t.TempDir(), "etcd")
	startAndStop := func(dir string) error {
		etcd, err := etcd.Start(t.Context(), etcd.Options{Dir: dir, LogFile: filepath.Join(t.TempDir(), "log")})
		if err != nil {
			return err
		}
		_, err = etcd.Client.Put(t.Context(), "key", strings.Repeat("value", 10_000))
		require.NoError(t, err)
		return etcd.Stop()
	}
	require.NoError(t, startAndStop(good))
	require.NoError(t, startAndStop(good), "undamaged")
	keys := pageOfKeys(t, filepath.Join(good, database))

	for name, damage := range map[string]func(dir string) error{
		"the database cut off":          func(dir string) error { return os.Truncate(filepath.Join(dir, database), 4096) },
		"the database cut off later":    func(dir string) error { return os.Truncate(filepath.Join(dir, database), 9*4096) },
		"the database's head scribbled": func(dir string) error { return scribble(filepath.Join(dir, database), 0, 64<<10) },
		"the database's keys scribbled": func(dir string) error { return scribble(filepath.Join(dir, database), keys, 4<<10) },
		"the log scribbled":             func(dir string) error { return scribble(filepath.Join(dir, log), 2<<10, 8<<10) },
		"the log removed":               func(dir string) error { return os.Remove(filepath.Join(dir, log)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "etcd")
			require.NoError(t, os.CopyFS(dir, os.DirFS(good)))
			require.NoError(t, damage(dir))
			err := startAndStop(dir)
			require.ErrorContains(t, err, "put a copy of "+dir+" back, or start with an empty cluster after `minik reset`")
			require.NotContains(t, err.Error(), "\n")
		})
	}
	// A start that was cut off before etcd had a log is no damage.
	dir := filepath.Join(t.TempDir(), "etcd")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data/member/snap"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, database), nil, 0o600))
	require.NoError(t, startAndStop(dir))
}

// A first start that is called off at any moment, or whose process is killed before the log has its first entry, is no reason for
// the next one not to begin.
func TestAFirstStartThatIsCutOff(t *testing.T) {
	for _, patience := range []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond} {
		dir := filepath.Join(t.TempDir(), "etcd")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if e, err := etcd.Start(ctx, etcd.Options{Dir: dir}); err == nil {
			require.NoError(t, e.Stop())
		}
		cancel()
		startsAndStores(t, dir)
	}
	// A log without an entry, and a database without a key, as a power cut leaves them.
	dir := filepath.Join(t.TempDir(), "etcd")
	data := filepath.Join(dir, "data", "member")
	require.NoError(t, os.MkdirAll(filepath.Join(data, "snap"), 0o700))
	log, err := wal.Create(zap.NewNop(), filepath.Join(data, "wal"), nil)
	require.NoError(t, err)
	require.NoError(t, log.Close())
	require.NoError(t, os.WriteFile(filepath.Join(data, "snap", "db"), nil, 0o600))
	startsAndStores(t, dir)
}

func startsAndStores(t *testing.T, dir string) {
	t.Helper()
	for _, want := range []int{0, 1} { // and again
		e, err := etcd.Start(t.Context(), etcd.Options{Dir: dir})
		require.NoError(t, err)
		found, err := e.Client.Get(t.Context(), "key")
		require.NoError(t, err)
		require.Len(t, found.Kvs, want)
		_, err = e.Client.Put(t.Context(), "key", "value")
		require.NoError(t, err)
		require.NoError(t, e.Stop())
	}
}

// pageOfKeys is where in the file the tree of all keys begins. Other pages may be free, and nobody reads those.
func pageOfKeys(t *testing.T, path string) (offset int64) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		offset = int64(tx.Bucket([]byte("key")).Root()) * int64(db.Info().PageSize)
		return nil
	}))
	require.NotZero(t, offset)
	return offset
}

// scribble overwrites a part of the file with noise, the same each time.
func scribble(path string, from, size int64) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.NewOffsetWriter(file, from), rand.NewChaCha8([32]byte{}), size); err != nil {
		return err
	}
	return file.Close()
}
