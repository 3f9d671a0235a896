// Package service gives each Service of type LoadBalancer an address of its own.
//
//  1. A Service wakes itself; one that gives an address back wakes those that wait for one.
//  2. planLoadBalancer chooses the address from the pool (plan.go).
//  3. reconcile writes it into the status, which is the only record of who has which.
//
// Upstream are Services; downstream is the proxy, which listens on the address.
//
// Real Kubernetes leaves this to a cloud's controller, or to MetalLB.
package service
