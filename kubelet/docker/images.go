package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	corev1 "k8s.io/api/core/v1"

	"minik.dev/kubelet/images"
	"minik.dev/kubelet/runtime"
)

// PullImage is runtime.Runtime's. An image that was built on the engine needs no registry: with the policy Always, which
// is the default for the tag latest, a registry that does not know the name, or that cannot be asked, is no obstacle where
// the engine has the image. (Upstream's kubelet fails there.)
func (r *Runtime) PullImage(ctx context.Context, request runtime.PullRequest, pulling func()) (string, error) {
	name, err := images.FullName(request.Image)
	if err != nil {
		return "", err
	}
	id, err := r.local(ctx, name)
	if err != nil {
		return "", err
	}
	switch {
	case request.Policy == corev1.PullNever && id == "":
		return "", images.NeverPulled(request.Image)
	case id != "" && (request.Policy == corev1.PullNever || request.Policy == corev1.PullIfNotPresent):
		return id, nil
	case id != "" && r.madeHere(ctx, id):
		return id, nil
	}
	pulling()
	if err := r.pull(ctx, name, request.Secrets); err != nil {
		if id != "" && ctx.Err() == nil {
			r.log.Warn("the engine's own image is used, as it cannot be pulled", "image", name, "error", err)
			return id, nil
		}
		return "", explain(request.Image, err)
	}
	if id, err = r.local(ctx, name); err == nil && id == "" {
		err = fmt.Errorf("image %q was pulled, and the engine does not have it", request.Image)
	}
	return id, err
}

// local is the ID of the engine's image of that name; "" where it has none. One for another machine is an error.
func (r *Runtime) local(ctx context.Context, name string) (string, error) {
	seen, err := r.engine.client.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for image %q: %w", name, err)
	}
	if seen.Architecture != "" && seen.Architecture != r.engine.arch || seen.Os != "" && seen.Os != "linux" {
		return "", &runtime.PullError{Reason: "ErrImagePull", Message: fmt.Sprintf("image %q is for %s/%s, and this node is "+
			"linux/%s: build it for this platform, or pull one that has it", name, seen.Os, seen.Architecture, r.engine.arch)}
	}
	return imageID(seen.ID), nil
}

// Images is runtime.ImageLister's: all that the engine has, digests first, as upstream's kubelet reports them.
func (r *Runtime) Images(ctx context.Context) ([]corev1.ContainerImage, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	list, err := r.engine.client.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the engine's images: %w", err)
	}
	out := make([]corev1.ContainerImage, 0, len(list))
	for _, i := range list {
		names := slices.DeleteFunc(slices.Concat(i.RepoDigests, i.RepoTags), func(name string) bool {
			return strings.Contains(name, "<none>")
		})
		out = append(out, corev1.ContainerImage{Names: names, SizeBytes: i.Size})
	}
	return out, nil
}

// madeHere says that no registry ever gave the image: it was built, imported or loaded on this engine.
func (r *Runtime) madeHere(ctx context.Context, id string) bool {
	seen, err := r.engine.client.ImageInspect(ctx, engineID(id))
	return err == nil && len(seen.RepoDigests) == 0
}

// pull asks the registry, with each of the credentials that fit until one succeeds.
func (r *Runtime) pull(ctx context.Context, name string, secrets []*corev1.Secret) error {
	var errs []error
	for _, auth := range credentials(name, secrets, osEnvironment()) {
		err := r.pullWith(ctx, name, auth)
		if err == nil || ctx.Err() != nil {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (r *Runtime) pullWith(ctx context.Context, name, auth string) error {
	answer, err := r.engine.client.ImagePull(ctx, name,
		image.PullOptions{RegistryAuth: auth, Platform: "linux/" + r.engine.arch})
	if err != nil {
		return err
	}
	defer answer.Close()
	for messages := json.NewDecoder(answer); ; {
		var m struct {
			Error string `json:"error"`
		}
		switch err := messages.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("following the pull: %w", err)
		case m.Error != "":
			return errors.New(m.Error)
		}
	}
}

// explain words a failed pull as upstream does, and adds what helps those who have no registry.
func explain(name string, err error) error {
	return &runtime.PullError{Message: fmt.Sprintf("%v (the engine has no image %q and its registry gave none: "+
		"build it with `docker build -t %s .`, or pull it by hand to see why)", err, name, name)}
}
