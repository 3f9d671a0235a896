package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// A sandbox needs a process, and its image no registry: the process is a program of about 200 bytes that is written down
// here. It ignores SIGCHLD, so that the kernel buries the orphans of a pod that shares its processes, and then sleeps for
// ever. As the first process of its PID namespace it ignores SIGTERM too, so it is killed outright.

// Where the program lies in memory, and where its parts begin in the file.
const (
	loadAddress = 0x400000
	codeOffset  = 64 + 56 // behind the ELF header and its one program header
)

// ignore is the kernel's struct sigaction with the handler SIG_IGN: 32 bytes on both architectures.
var ignore = [4]uint64{1}

// pauseProgram is the program as an ELF file, for Go's name of an architecture.
func pauseProgram(arch string) ([]byte, error) {
	var machine uint16
	var code []byte
	switch arch {
	case "amd64":
		machine, code = 0x3e, pauseAMD64()
	case "arm64":
		machine, code = 0xb7, pauseARM64()
	default:
		return nil, fmt.Errorf("the engine runs on %s, and minik makes sandboxes for amd64 and arm64 only", arch)
	}
	size := uint64(codeOffset + len(code) + 32)
	var out bytes.Buffer
	for _, part := range []any{
		[16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, // 64 bits, little-endian, version 1
		uint16(2), machine, uint32(1),          // an executable
		uint64(loadAddress + codeOffset), uint64(64), uint64(0), // entry; program headers; no sections
		uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), // one segment to load, readable and executable
		uint64(0), uint64(loadAddress), uint64(loadAddress), size, size, uint64(0x10000),
		code, ignore,
	} {
		_ = binary.Write(&out, binary.LittleEndian, part) // a bytes.Buffer takes everything
	}
	return out.Bytes(), nil
}

// pauseAMD64 is rt_sigaction(SIGCHLD, &ignore, NULL, 8), then pause() for ever.
func pauseAMD64() []byte {
	const length = 40 // a multiple of 8, so that what follows is aligned
	code := []byte{
		0xb8, 13, 0, 0, 0, // mov eax, rt_sigaction
		0xbf, 17, 0, 0, 0, // mov edi, SIGCHLD
		0xbe, 0, 0, 0, 0, // mov esi, the address of ignore
		0x31, 0xd2, // xor edx, edx
		0x41, 0xba, 8, 0, 0, 0, // mov r10d, 8
		0x0f, 0x05, // syscall
		0xb8, 34, 0, 0, 0, // again: mov eax, pause
		0x0f, 0x05, // syscall
		0xeb, 0xf7, // jmp again
	}
	binary.LittleEndian.PutUint32(code[11:], loadAddress+codeOffset+length)
	return append(code, make([]byte, length-len(code))...)
}

// pauseARM64 is the same with ppoll(NULL, 0, NULL, NULL), as this architecture has no pause.
func pauseARM64() []byte {
	const length = 15 * 4
	movz := func(register, value uint32) uint32 { return 0xd2800000 | value<<5 | register }
	address := uint32(loadAddress + codeOffset + length)
	var code bytes.Buffer
	_ = binary.Write(&code, binary.LittleEndian, [15]uint32{
		movz(8, 134), movz(0, 17), movz(1, address&0xffff), 0xf2a00001 | address>>16<<5, movz(2, 0), movz(3, 8),
		0xd4000001, // svc 0: rt_sigaction
		movz(0, 0), movz(1, 0), movz(2, 0), movz(3, 0), movz(4, 0), movz(8, 73),
		0xd4000001, // svc 0: ppoll
		0x17fffff9, // b, back to the first movz of ppoll
	})
	return code.Bytes()
}

// pauseImage makes sure that the engine has the image of sandboxes, and returns its name. The name tells its contents.
func (e *Engine) pauseImage(ctx context.Context) (string, error) {
	program, err := pauseProgram(e.arch)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(program)
	name := "minik.dev/pause:" + hex.EncodeToString(sum[:4])
	e.importing.Lock()
	defer e.importing.Unlock()
	if _, err := e.client.ImageInspect(ctx, name); err == nil || !errdefs.IsNotFound(err) {
		return name, err
	}
	archive, err := tarOf(tarEntry{name: "pause", mode: 0o755, data: program})
	if err != nil {
		return "", err
	}
	answer, err := e.client.ImageImport(ctx, image.ImportSource{Source: archive, SourceName: "-"}, name,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/pause"]`}, Message: "minik's sandbox",
			Platform: "linux/" + e.arch})
	if err != nil {
		return "", fmt.Errorf("making the image of sandboxes: %w", err)
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return "", fmt.Errorf("making the image of sandboxes: %w", err)
	}
	return name, nil
}

// tarEntry is a file, or a directory where the name ends with a slash.
type tarEntry struct {
	name string
	mode int64
	gid  int
	data []byte
}

func tarOf(entries ...tarEntry) (*bytes.Buffer, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Gid: e.gid, Size: int64(len(e.data)), Typeflag: tar.TypeReg}
		if e.name[len(e.name)-1] == '/' {
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("packing %s: %w", e.name, err)
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, fmt.Errorf("packing %s: %w", e.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("packing: %w", err)
	}
	return &out, nil
}
