// Package dockertest gives tests a real Docker engine, and images that need no registry.
//
//  1. [Engine] connects to the engine. Where none answers, the test is skipped with the reason; with
//     MINIK_TEST_DOCKER=require it fails.
//  2. [Program] makes an image of one static Go program (program.go). [Tool] is the image of a program that does whatever
//     tests want of a container: see tool/main.go.
//  3. [Busybox] is an image with a shell, of a static busybox (busybox.go).
//  4. [Alias] gives an image a second name for as long as a test runs, such as one that users pull.
//
// An image's tag tells its contents, so that each is made once on an engine. All carry the label [Label], and stay: the
// next run finds them. Nothing else does.
//
// Upstream are the tests of packages that run containers; downstream is the engine. Real Kubernetes' tests pull the images
// of their agnhost, which is much the same tool, from a registry.
package dockertest
