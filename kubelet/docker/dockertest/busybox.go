package dockertest

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Busybox is the name of an image with a shell and its tools, made of this machine's static busybox, or else of that in
// Debian's package. Its wget may crash for want of shared libraries: use nc.
func Busybox(t testing.TB) string {
	t.Helper()
	cli := Engine(t)
	path := busyboxPath(t)
	binary, err := os.ReadFile(path)
	require.NoError(t, err)
	applets, err := exec.CommandContext(t.Context(), path, "--list").Output()
	require.NoError(t, err, "asking %s for its applets", path)
	version, err := cli.ServerVersion(t.Context())
	require.NoError(t, err)
	if machine := elfMachine(t, path); machine != version.Arch {
		skip(t, "this machine's busybox is for %s, and the engine runs on %s", machine, version.Arch)
	}
	name := imageName("busybox", string(binary), string(applets))
	if has(t, cli, name) {
		return name
	}
	files := map[string]file{
		"bin/busybox": {data: binary}, "tmp/": {}, "root/": {}, "var/": {}, "dev/": {}, "proc/": {}, "sys/": {},
		"etc/passwd": {data: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")},
		"etc/group":  {data: []byte("root:x:0:\nnobody:x:65534:\n")},
	}
	for _, applet := range strings.Fields(string(applets)) {
		if applet != "busybox" {
			files["bin/"+applet] = file{link: "busybox"}
		}
	}
	load(t, cli, name, `CMD ["sh"]`, files)
	return name
}

// busyboxPath finds a static busybox, or takes it out of Debian's package.
func busyboxPath(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("busybox"); err == nil && static(path) {
		return path
	}
	dir := t.TempDir()
	get := exec.CommandContext(t.Context(), "sh", "-c",
		"{ apt-get -q download busybox-static || { apt-get update && apt-get download busybox-static; }; } && "+
			"dpkg-deb -x busybox-static_*.deb .")
	get.Dir = dir
	out, err := get.CombinedOutput()
	if err == nil {
		for _, path := range []string{"usr/bin/busybox", "bin/busybox"} {
			if static(filepath.Join(dir, path)) {
				return filepath.Join(dir, path)
			}
		}
	}
	skip(t, "this machine has no static busybox (install the package busybox-static), and cannot download Debian's: %v\n%s",
		err, out)
	return ""
}

// static says that the program at path needs no loader and no libraries.
func static(path string) bool {
	program, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			return false
		}
	}
	return true
}

// elfMachine is what the program at path runs on, in Go's words.
func elfMachine(t testing.TB, path string) string {
	t.Helper()
	program, err := elf.Open(path)
	require.NoError(t, err)
	defer program.Close()
	switch program.Machine {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	}
	return program.Machine.String()
}
