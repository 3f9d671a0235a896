// Package subpath opens parts of directories that containers can write to, and hands on what it has opened.
//
//	kubelet, kubelet/docker ──(directory, part of it)──▶ HERE ──▶ a descriptor ──▶ a private mount that the engine binds
//
// A container that can write to a volume can put a link in place of any directory of it, at any time: also between the moment
// that a path was checked and the moment that somebody uses it. So a path is never used twice here.
//
//  1. [Open] asks the kernel where the links of a part lead, and refuses a part that leaves the directory.
//  2. It walks there from a descriptor of the directory, one name after the other, and follows no link any more. Whoever has
//     put one there since is refused; where a name is missing, a directory is made.
//  3. [Bind] mounts what the descriptor names, wherever its path leads by then.
//
// Upstream's kubelet does the same in pkg/volume/util/subpath, and keeps the mounts for as long as the container lives: here
// they are gone when it has started. The walk and the mounts are Linux's. Elsewhere [Bind] says [errors.ErrUnsupported], and
// nothing is handed on.
package subpath
