// Package env is the environment of a container: what its spec names, resolved when the container starts.
//
//  1. [Resolve] puts together envFrom, env and the variables that tell of services (env.go, service.go).
//  2. [References] reads the ConfigMaps and Secrets that a spec names, each with a plain get (references.go).
//  3. [Field] and [ResourceField] are the downward API (downwardapi.go), $(NAME) is expanded by expand.go: volumes ask for both too.
//
// Real kubelets keep what pods refer to, and every Service, in caches; here they are asked for at each start.
package env
