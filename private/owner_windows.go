package private

import "io/fs"

// checkOwner says nothing: Windows keeps a user's own directories from other users by itself.
func checkOwner(string, fs.FileInfo) error { return nil }

// checkParent says nothing: the directory for temporary files is the user's own.
func checkParent(string) error { return nil }
