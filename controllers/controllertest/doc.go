// Package controllertest is what the tests of all controllers share: controllers that run on a fake clientset ([Start]),
// objects to begin with, and the two forms of scenario files, one line an object ([Scenarios]) or YAML ([YAMLScenarios]).
package controllertest
