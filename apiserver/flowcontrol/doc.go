// Package flowcontrol keeps the FlowSchemas and PriorityLevelConfigurations that every cluster has.
//
// The numbered steps:
//
//  1. plan.go decides, from the objects that are there: what is missing is made; what follows the suggestion, or is fixed, is put right;
//     what once was suggested goes. Each object's annotation says whether it follows.
//  2. A FlowSchema says in its condition Dangling whether the level that it names is there.
//  3. ensure.go reads the objects and carries the plan out, as many writes at a time as there are.
//
// Upstream is apiserver.KeepBootstrapped, at start and again every few seconds; downstream is the API, and resources/flowcontrol for what
// is suggested.
//
// Real Kubernetes does so once a minute, watches both kinds for the condition, and serves requests by them. Here nothing is served by
// them yet.
package flowcontrol
