package networktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"minik.dev/kubelet/docker"
)

// Here makes bridges of its own, as an engine on this machine does.
type Here struct{ Elsewhere }

// Bridge is its name, this process' own.
var Bridge = fmt.Sprintf("mkt%d", os.Getpid())

// EnsureNetwork is network.Engine's.
func (e *Here) EnsureNetwork(ctx context.Context, o docker.NetworkOptions) (string, error) {
	if _, err := e.Elsewhere.EnsureNetwork(ctx, o); err != nil {
		return "", err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = Bridge
	link := &netlink.Bridge{LinkAttrs: attributes}
	if err := netlink.LinkAdd(link); err != nil {
		if errors.Is(err, unix.EEXIST) {
			return Bridge, nil
		}
		return "", err
	}
	address := &netlink.Addr{IPNet: &net.IPNet{IP: o.Gateway.AsSlice(), Mask: net.CIDRMask(o.Pods.Bits(), 32)}}
	return Bridge, errors.Join(netlink.AddrAdd(link, address), netlink.LinkSetUp(link))
}

// RemoveNetwork is network.Engine's.
func (e *Here) RemoveNetwork(ctx context.Context, cluster string) error {
	link, err := netlink.LinkByName(Bridge)
	return errors.Join(e.Elsewhere.RemoveNetwork(ctx, cluster), err, netlink.LinkDel(link))
}
