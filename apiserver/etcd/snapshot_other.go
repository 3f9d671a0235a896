//go:build !linux

package etcd

import "os"

// createHidden is createPart: there are no files without a name.
func createHidden(path string) (file *os.File, name string, publish func() error, err error) {
	return createPart(path)
}
