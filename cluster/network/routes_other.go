//go:build !linux

package network

import "net/netip"

// fallbackMode is what this system has without AnyIP routes.
const fallbackMode = Ports

// system is what a Network holds of the machine: nothing, as here every address is a port of 127.0.0.1.
type system struct{}

func anyIPProblem() string { return "this system has no AnyIP routes; Linux has" }

func lowestPort() int32 { return 0 }

func lockClaims() (func(), error) { return func() {}, nil }

func usedRanges(Mode, string, ownBridge) ([]usedRange, error) { return nil, nil }

func (s *system) hold(Mode, string, ...netip.Prefix) error { return nil }

func (s *system) addRoute(netip.Prefix) error { return nil }

func (s *system) addBarrier(netip.Prefix) error { return nil }

func (s *system) addAddress(string, netip.Addr) error { return nil }

// drop says that this is the last process of the cluster: nothing here tells how many there are.
func (s *system) drop(Mode, string, ...netip.Prefix) (bool, error) { return true, nil }

func ownRoutes(string, ...netip.Prefix) ([]netip.Prefix, error) { return nil, nil }
