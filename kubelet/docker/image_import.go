package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// contentsLabel tells the contents of an image that ImportProgram made.
const contentsLabel = "minik.dev/contents"

// Arch is what the engine's containers run on, in Go's words.
func (e *Engine) Arch() string { return e.arch }

// ImportProgram gives the engine an image of that name with one static program in it, and without a registry. Where the
// engine's image of that name is that already, made is false. An older one of the name is removed, unless it is in use.
func (e *Engine) ImportProgram(ctx context.Context, name, path string, program []byte) (made bool, err error) {
	sum := sha256.Sum256(append([]byte(path+"\x00"), program...))
	contents := hex.EncodeToString(sum[:])
	old, err := e.client.ImageInspect(ctx, name)
	switch {
	case err != nil && !errdefs.IsNotFound(err):
		return false, fmt.Errorf("looking for image %q: %w", name, err)
	case err == nil && old.Config != nil && old.Config.Labels[contentsLabel] == contents:
		return false, nil
	}
	archive, err := tarOf(tarEntry{name: path, mode: 0o755, data: program})
	if err != nil {
		return false, err
	}
	answer, err := e.client.ImageImport(ctx, image.ImportSource{Source: archive, SourceName: "-"}, name, image.ImportOptions{
		Changes:  []string{fmt.Sprintf("ENTRYPOINT [%q]", "/"+path), "LABEL " + contentsLabel + "=" + contents},
		Platform: "linux/" + e.arch,
	})
	if err != nil {
		return false, fmt.Errorf("making image %q: %w", name, err)
	}
	defer answer.Close()
	if err := importEnded(answer); err != nil {
		return false, fmt.Errorf("making image %q: %w", name, err)
	}
	if len(old.RepoTags) == 1 { // this name was its only one
		_, err = e.client.ImageRemove(ctx, old.ID, image.RemoveOptions{})
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			return true, fmt.Errorf("removing the older image %q: %w", name, err)
		}
	}
	return true, nil
}

// importEnded reads the engine's messages. An import that fails says so in its last one.
func importEnded(answer io.Reader) error {
	for messages := json.NewDecoder(answer); ; {
		var m struct {
			Error string `json:"error"`
		}
		switch err := messages.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("following the import: %w", err)
		case m.Error != "":
			return errors.New(m.Error)
		}
	}
}
