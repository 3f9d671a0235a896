// Package seccomp is which system calls a container may make: which profile holds for it ([ProfileOf]), and the text of one that its
// node keeps ([Local]). A runtime applies it. Simulated containers make no system calls, so there is nothing to confine.
package seccomp
