package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"
)

//go:embed tool/main.go
var toolSource string

// Tool is the name of the image of one program that does many things: see tool/main.go.
func Tool(t testing.TB) string {
	t.Helper()
	return Program(t, "tool", toolSource)
}

// Program is the name of an image with nothing but the Go program of that source, as its entry point. The program may
// import the standard library only.
func Program(t testing.TB, name, source string) string {
	t.Helper()
	cli := Engine(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	version, err := cli.ServerVersion(ctx)
	require.NoError(t, err)
	image := imageName(name, source, version.Arch)
	if has(t, cli, image) {
		return image
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module program\n\ngo 1.26\n"), 0o600))
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", "program", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+version.Arch, "GOFLAGS=", "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "building %s: %s", name, out)
	binary, err := os.ReadFile(filepath.Join(dir, "program"))
	require.NoError(t, err)
	load(t, cli, image, `ENTRYPOINT ["/`+name+`"]`, map[string]file{name: {data: binary}})
	return image
}

// imageName tells what the image was made of.
func imageName(name string, of ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(of, "\x00")))
	return "minik.dev/test/" + name + ":" + hex.EncodeToString(sum[:6])
}

// file is one of an image, or a link, or, with a name that ends with a slash, a directory that everybody may write.
type file struct {
	data []byte
	link string
}

// load imports an image of these files.
func load(t testing.TB, cli *client.Client, name, change string, files map[string]file) {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		f := files[path]
		header := &tar.Header{Name: path, Mode: 0o755, Size: int64(len(f.data)), Typeflag: tar.TypeReg}
		switch {
		case strings.HasSuffix(path, "/"):
			header.Typeflag, header.Mode = tar.TypeDir, 0o1777
		case f.link != "":
			header.Typeflag, header.Linkname = tar.TypeSymlink, f.link
		}
		require.NoError(t, w.WriteHeader(header))
		_, err := w.Write(f.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answer, err := cli.ImageImport(ctx, image.ImportSource{Source: &archive, SourceName: "-"}, "",
		image.ImportOptions{Changes: []string{change, "LABEL " + Label + "=true"}})
	require.NoError(t, err)
	defer answer.Close()
	id := imported(t, answer)
	if has(t, cli, name) { // another test was faster, and its image has the same contents
		_, err = cli.ImageRemove(ctx, id, image.RemoveOptions{})
	} else {
		err = cli.ImageTag(ctx, id, name)
	}
	require.NoError(t, err)
}

// imported is the ID of the image that was made, which is the engine's last message. An import that fails says so there.
func imported(t testing.TB, answer io.Reader) (id string) {
	t.Helper()
	for messages := json.NewDecoder(answer); ; {
		var m struct {
			Status string `json:"status"`
			Error  string `json:"error"`
		}
		err := messages.Decode(&m)
		if errors.Is(err, io.EOF) {
			return id
		}
		require.NoError(t, err)
		require.Empty(t, m.Error)
		id = m.Status
	}
}
