package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	imageutils "k8s.io/kubernetes/test/utils/image"
)

// image is one that the suite asks for and that is made here of what a Debian machine has, where no registry can be reached. It
// is called as the suite calls it.
type image struct {
	id imageutils.ImageID
	// files are what lies in the image besides busybox: a path of it to where it comes from on this machine.
	files func(ctx context.Context, dir string) (map[string]string, error)
	// config are lines of a Dockerfile: how it is started.
	config string
}

// images are what can be made. The others (the sample API server, perl, volume servers, GPUs) are pulled, or their specs fail.
var images = []image{
	{imageutils.BusyBox, shell, `CMD ["sh"]`},
	{imageutils.Agnhost, agnhost, "ENTRYPOINT [\"/agnhost\"]\nCMD [\"pause\"]"},
	{imageutils.AgnhostPrev, agnhost, "ENTRYPOINT [\"/agnhost\"]\nCMD [\"pause\"]"},
	{imageutils.GlibcDnsTesting, agnhost, `CMD ["sh"]`},
	{imageutils.Kitten, agnhost, "ENTRYPOINT [\"/agnhost\", \"test-webserver\"]\nRUN printf '{\"image\": \"kitten.jpg\"}' >/data.json"},
	{imageutils.Nautilus, agnhost, "ENTRYPOINT [\"/agnhost\", \"test-webserver\"]\nRUN printf '{\"image\": \"nautilus.jpg\"}' >/data.json"},
	{imageutils.Pause, agnhost, `ENTRYPOINT ["/agnhost", "pause"]`},
	{imageutils.NonRoot, agnhost, "USER 1234\nENTRYPOINT [\"/agnhost\", \"pause\"]"},
	{imageutils.Nginx, agnhost, `ENTRYPOINT ["/agnhost", "netexec", "--http-port=80"]`},
	{imageutils.NginxNew, agnhost, `ENTRYPOINT ["/agnhost", "netexec", "--http-port=80"]`},
}

// makeImages makes all of them with the docker command, in a directory of its own. They need
// Debian's busybox-static, bash, curl, netcat-openbsd and bind9-dnsutils.
func makeImages(ctx context.Context, dir string) error {
	for _, i := range images {
		config := imageutils.GetConfig(i.id)
		name := config.GetE2EImage() // as the specs ask for it
		fmt.Println("making image", name)
		if err := i.make(ctx, filepath.Join(dir, fmt.Sprint(i.id)), name); err != nil {
			return fmt.Errorf("making image %s: %w", name, err)
		}
	}
	return nil
}

// make builds the image from a root of its own.
func (i image) make(ctx context.Context, dir, name string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	files, err := i.files(ctx, filepath.Dir(dir))
	if err != nil {
		return err
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return fmt.Errorf("%w: install Debian's busybox-static", err)
	}
	root := filepath.Join(dir, "root")
	files["/bin/busybox"] = busybox
	for to, from := range files {
		if err := copyFile(filepath.Join(root, to), from); err != nil {
			return err
		}
	}
	for path, text := range map[string]string{
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnonroot:x:1234:1234::/:/bin/sh\n", "/etc/group": "root:x:0:\nnonroot:x:1234:\n",
	} {
		if err := writeFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
			return err
		}
	}
	// All applets lie in /bin, where specs look for them.
	text := "FROM scratch\nCOPY root /\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"mkdir -p /tmp /uploads && chmod 1777 /tmp && " +
		"for applet in $(/bin/busybox --list); do ln -s busybox /bin/$applet; done; ln -sf /usr/local/bin/bash /bin/sh\"]\n" +
		"ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n" + i.config + "\n"
	if err := writeFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		return err
	}
	return run(ctx, nil, "docker", "build", "-q", "-t", name, dir)
}

// shell is bash: that of busybox would call its own nc, whatever lies before it in the path, and drops what is called data-1 from its
// environment.
func shell(ctx context.Context, _ string) (map[string]string, error) {
	return tools(ctx, map[string]string{"bash": "bash"})
}

// agnhost is upstream's own test program, built from its module, with what specs call in its pods beside it.
func agnhost(ctx context.Context, dir string) (map[string]string, error) {
	program := filepath.Join(dir, "agnhost")
	if _, err := os.Stat(program); err != nil {
		if err := run(ctx, []string{"CGO_ENABLED=0"}, "go", "build", "-ldflags=-s -w", "-o", program, "k8s.io/kubernetes/test/images/agnhost"); err != nil {
			return nil, err
		}
	}
	files, err := tools(ctx, map[string]string{"bash": "bash", "curl": "curl", "nc": "netcat-openbsd", "dig": "bind9-dnsutils",
		"getent": "libc-bin"})
	if err != nil {
		return nil, err
	}
	source, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "k8s.io/kubernetes/test/images/agnhost").Output()
	if err != nil {
		return nil, fmt.Errorf("finding the source of agnhost: %w", err)
	}
	for _, name := range []string{"localhost.crt", "localhost.key"} {
		files["/"+name] = filepath.Join(strings.TrimSpace(string(source)), "porter", name)
	}
	// A spec overrides the entrypoint with agnhost-2, and sees that it is that which runs.
	files["/agnhost"], files["/agnhost-2"] = program, program
	return files, nil
}

// tools are programs of this machine with their libraries, each with the package that has it. They lie before busybox's own, which do less.
func tools(ctx context.Context, packages map[string]string) (map[string]string, error) {
	files := map[string]string{}
	for tool, debian := range packages {
		path, err := exec.LookPath(tool)
		if err != nil {
			return nil, fmt.Errorf("%w: install Debian's %s", err, debian)
		}
		files["/usr/local/bin/"+tool] = path
		if err := addLibraries(ctx, files, path); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// addLibraries adds the shared libraries of a program, as ldd names them.
func addLibraries(ctx context.Context, files map[string]string, program string) error {
	out, err := exec.CommandContext(ctx, "ldd", program).Output()
	if err != nil {
		return fmt.Errorf("asking for the libraries of %s: %w", program, err)
	}
	for _, path := range libraries(out) {
		files[path] = path
	}
	return nil
}

// libraries are the paths in what ldd prints.
func libraries(out []byte) (paths []string) {
	for word := range bytes.FieldsSeq(out) {
		if strings.HasPrefix(string(word), "/") {
			paths = append(paths, string(word))
		}
	}
	return paths
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeFile(to, text, 0o755)
}

func writeFile(path string, text []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, mode)
}
