package network

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// aboutDatagram is how many bytes the kernel needs to tell by which interface something came in: a header and an in_pktinfo.
const aboutDatagram = unix.SizeofCmsghdr + (unix.SizeofInet4Pktinfo+7)&^7

// tellDevice has the kernel tell, of each connection and datagram of an IPv4 socket, by which interface it came in.
func tellDevice(network, _ string, raw syscall.RawConn) error {
	if network != "tcp4" && network != "udp4" {
		return nil // ::1 is the only other address that is listened on without being exposed, and needs no telling
	}
	var err error
	if controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	}); controlErr != nil {
		return controlErr
	}
	return err
}

// deviceOf is the index of the interface by which the connection came in (that of its last packet of the handshake);
// 0 where the kernel does not tell. See IP_PKTINFO and IP_PKTOPTIONS in ip(7).
func deviceOf(conn *net.TCPConn) int {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	var about [aboutDatagram]byte
	size := uint32(len(about))
	var errno unix.Errno
	if err := raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_IP, unix.IP_PKTOPTIONS,
			uintptr(unsafe.Pointer(&about)), uintptr(unsafe.Pointer(&size)), 0)
	}); err != nil || errno != 0 {
		return 0
	}
	return deviceOfDatagram(about[:size])
}

// deviceOfDatagram reads the index of an interface from a control message; 0 where it says none.
func deviceOfDatagram(about []byte) int {
	if len(about) < unix.SizeofCmsghdr {
		return 0
	}
	header, data, _, err := unix.ParseOneSocketControlMessage(about)
	if err != nil || header.Level != unix.IPPROTO_IP || header.Type != unix.IP_PKTINFO || len(data) < 4 {
		return 0
	}
	return int(int32(binary.NativeEndian.Uint32(data))) // the first field of in_pktinfo
}

// isOwn says whether the kernel delivers what is sent to the address on this machine.
func isOwn(addr netip.Addr) bool {
	routes, err := netlink.RouteGet(addr.AsSlice())
	return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
}
