package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// playFloor is what every scheduler costs that is written with client-go: it watches pods and nodes, and posts a Binding
// and an Event for each pod. It decides nothing: pods go to the nodes in turn.
func playFloor(ctx context.Context, options Options) error {
	options.Progress = func(stage Stage) {
		if stage.Name == "floor" {
			fmt.Println(readyLine)
		}
	}
	c, err := New(options)
	if err != nil {
		return err
	}
	c.stages = []stage{
		{"cluster", func(ctx context.Context) (string, error) { return c.join(ctx, "", true) }},
		{"floor", func(ctx context.Context) (string, error) {
			collectLess()
			config, err := c.config(scheduling)
			if err != nil {
				return "", err
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return "", err
			}
			c.parts.run("floor", func(ctx context.Context) error { return bindInTurn(ctx, client) })
			return "", nil
		}},
	}
	return c.Run(ctx)
}

func bindInTurn(ctx context.Context, client kubernetes.Interface) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	var mu sync.Mutex
	var names []string // guarded by mu: nodes and pods are told of by two goroutines
	nodes := cache.ResourceEventHandlerFuncs{AddFunc: func(obj any) {
		mu.Lock()
		defer mu.Unlock()
		names = append(names, obj.(*corev1.Node).Name)
	}}
	var writers errgroup.Group
	writers.SetLimit(128)
	turn := 0
	pods := cache.ResourceEventHandlerFuncs{AddFunc: func(obj any) {
		if pod := obj.(*corev1.Pod); pod.Spec.NodeName == "" {
			turn++
			mu.Lock()
			node := names[turn%len(names)]
			mu.Unlock()
			writers.Go(func() error { return bindTo(ctx, client, pod, node) })
		}
	}}
	for informer, handler := range map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		factory.Core().V1().Nodes().Informer(): nodes, factory.Core().V1().Pods().Informer(): pods,
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.StartWithContext(ctx)
	<-ctx.Done()
	factory.Shutdown()
	return writers.Wait()
}

func bindTo(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, node string) error {
	if err := client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{}); err != nil {
		return err
	}
	now := time.Now()
	_, err := client.EventsV1().Events(pod.Namespace).Create(ctx, &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: pod.Namespace, Name: fmt.Sprintf("%s.%x", pod.Name, now.UnixNano())},
		EventTime:           metav1.NewMicroTime(now),
		ReportingController: pod.Spec.SchedulerName,
		ReportingInstance:   "floor",
		Type:                corev1.EventTypeNormal,
		Reason:              "Scheduled",
		Action:              "Binding",
		Note:                fmt.Sprintf("Successfully assigned %s/%s to %s", pod.Namespace, pod.Name, node),
		Regarding: corev1.ObjectReference{
			Kind: "Pod", APIVersion: "v1", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
		},
	}, metav1.CreateOptions{})
	return err
}
