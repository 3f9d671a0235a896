package runtime

import (
	"errors"
)

// ConfigError is a start that failed for what the container itself asks for: CreateContainerConfigError.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap is what is wrong with the configuration.
func (e *ConfigError) Unwrap() error { return e.Err }

// PullError is a failed pull with the waiting reason to report, in upstream's words (ErrImageNeverPull,
// InvalidImageName).
type PullError struct {
	Reason  string
	Message string
}

func (e *PullError) Error() string { return e.Message }

// ErrNotFound is wrapped by Logs for an ID that the runtime does not know.
var ErrNotFound = errors.New("no such container")
