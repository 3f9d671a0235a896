package private

import "os"

// ReplaceFile writes the file as a whole: who reads meanwhile, or after this process was killed, finds the old contents or
// the new ones.
func ReplaceFile(path string, contents []byte, mode os.FileMode) error {
	next := path + ".next"
	if err := os.WriteFile(next, contents, mode); err != nil {
		return err
	}
	return os.Rename(next, path)
}
