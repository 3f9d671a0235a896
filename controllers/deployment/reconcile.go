package deployment

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	appslisters "k8s.io/client-go/listers/apps/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"

	"minik.dev/controllers/loop"
	"minik.dev/controllers/podstate"
	"minik.dev/journal"
)

// deploymentController rolls out Deployments: it sizes their ReplicaSets, one step of planDeployment at a time, and leaves
// the pods to them.
type deploymentController struct {
	loop.Env
	owners      loop.Owners[*appsv1.Deployment, *appsv1.ReplicaSet]
	lister      appslisters.DeploymentLister
	deployments cache.Indexer
	sets        cache.Indexer
	pods        cache.Indexer
	// A step is planned on caches that show the steps before: setWrites and deploymentWrites wait for that.
	setWrites, deploymentWrites loop.OwnWrites
}

// New makes the controller.
func New(e loop.Env) (loop.Controller, error) {
	deployments, sets := e.Informers.Apps().V1().Deployments(), e.Informers.Apps().V1().ReplicaSets().Informer()
	pods := e.Informers.Core().V1().Pods().Informer()
	c := &deploymentController{
		Env: e, lister: deployments.Lister(), deployments: deployments.Informer().GetIndexer(),
		sets: sets.GetIndexer(), pods: pods.GetIndexer(),
	}
	c.owners = loop.Owners[*appsv1.Deployment, *appsv1.ReplicaSet]{
		Kind: appsv1.SchemeGroupVersion.WithKind("Deployment"), Child: "ReplicaSet",
		Selector: func(d *appsv1.Deployment) *metav1.LabelSelector { return d.Spec.Selector },
		List: func(namespace string) ([]*appsv1.Deployment, error) {
			return c.lister.Deployments(namespace).List(labels.Everything())
		},
		Live: func(ctx context.Context, namespace, name string) (*appsv1.Deployment, error) {
			return e.Client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		},
		Patch: func(ctx context.Context, rs *appsv1.ReplicaSet, patch []byte) (*appsv1.ReplicaSet, error) {
			return e.Client.AppsV1().ReplicaSets(rs.Namespace).Patch(ctx, rs.Name, types.StrategicMergePatchType, patch,
				metav1.PatchOptions{})
		},
	}
	return loop.Controller{
		Watches: []loop.Watch{
			loop.On(deployments.Informer(), loop.Self[*appsv1.Deployment]),
			loop.On(sets, c.owners.OfChild),
			loop.On(pods, c.recreatorsOfPod),
		},
		Reconcile: c.reconcile,
	}, nil
}

// recreatorsOfPod wakes the Deployment of a pod that ends, where its strategy Recreate may wait for that.
func (c *deploymentController) recreatorsOfPod(pod, old *corev1.Pod) []string {
	if old != nil && podstate.Finished(pod) == podstate.Finished(old) {
		return nil
	}
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil || owner.Kind != "ReplicaSet" {
		return nil
	}
	found, exists, err := c.sets.GetByKey(cache.NewObjectName(pod.Namespace, owner.Name).String())
	if err != nil || !exists {
		return nil
	}
	deployment := metav1.GetControllerOfNoCopy(found.(*appsv1.ReplicaSet))
	if deployment == nil || deployment.Kind != "Deployment" {
		return nil
	}
	d, err := c.lister.Deployments(pod.Namespace).Get(deployment.Name)
	if err != nil || d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		return nil
	}
	return []string{loop.KeyOf(d)}
}

// reconcile takes the next step of the Deployment's rollout.
func (c *deploymentController) reconcile(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return fmt.Errorf("reading key %q: %w", key, err)
	}
	// Asked before the caches are read: what they show now, they still show then.
	behind := !c.setWrites.ShownBy(c.sets, key) || !c.deploymentWrites.ShownBy(c.deployments, key)
	d, err := c.lister.Deployments(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		c.setWrites.Forget(key)
		c.deploymentWrites.Forget(key)
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading Deployment %s: %w", key, err)
	}
	if behind {
		return loop.ErrBehind
	}
	plan, err := c.plan(d)
	if err != nil {
		return err
	}
	if len(plan.Claims.Adopt)+len(plan.Claims.Release) > 0 {
		// The plan stands on ReplicaSets as they will be; their events bring it back.
		if err := c.owners.Claim(ctx, d, plan.Claims, &c.setWrites); err != nil {
			return err
		}
		return loop.ErrBehind
	}
	if plan.Create != nil {
		if done, err := c.create(ctx, d, plan.Create, plan.CreateReason); !done || err != nil {
			return err
		}
	}
	if err := c.resize(ctx, d, plan); err != nil {
		return err
	}
	if err := c.report(ctx, d, plan.Revision, plan.Status); err != nil {
		return err
	}
	return loop.RequeueAfter(plan.Again)
}

// plan gathers what planDeployment needs from the caches.
func (c *deploymentController) plan(d *appsv1.Deployment) (deploymentPlan, error) {
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return deploymentPlan{}, fmt.Errorf("reading the selector of Deployment %s: %w", loop.KeyOf(d), err)
	}
	sets, err := loop.OwnedAndOrphans[*appsv1.ReplicaSet](c.sets, d.Namespace, d.UID)
	if err != nil {
		return deploymentPlan{}, err
	}
	alive := map[types.UID]int{}
	if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		for _, rs := range sets {
			pods, err := c.pods.ByIndex(loop.ByController, string(rs.UID))
			if err != nil {
				return deploymentPlan{}, fmt.Errorf("finding the pods of ReplicaSet %s: %w", loop.KeyOf(rs), err)
			}
			for _, pod := range pods {
				if !podstate.Finished(pod.(*corev1.Pod)) {
					alive[rs.UID]++
				}
			}
		}
	}
	return planDeployment(d, selector, sets, alive, c.Clock.Now())
}

// create makes the new ReplicaSet. It is false where the step ends with it: the name is taken, or the namespace is going
// away.
func (c *deploymentController) create(ctx context.Context, d *appsv1.Deployment, rs *appsv1.ReplicaSet,
	reason string) (bool, error) {
	client := c.Client.AppsV1().ReplicaSets(rs.Namespace)
	created, err := client.Create(journal.WithReason(ctx, reason), rs, metav1.CreateOptions{})
	switch {
	case err == nil:
		c.setWrites.Wrote(loop.KeyOf(d), created)
		c.tellSize(d, created.Name, 0, *created.Spec.Replicas, reason)
		return true, nil
	case apierrors.IsAlreadyExists(err):
		taken, err := client.Get(ctx, rs.Name, metav1.GetOptions{})
		if err != nil {
			return false, fmt.Errorf("reading ReplicaSet %s, whose name is taken: %w", loop.KeyOf(rs), err)
		}
		if metav1.IsControlledBy(taken, d) && sameTemplate(&taken.Spec.Template, &d.Spec.Template) {
			return false, loop.ErrBehind // it is ours, and the cache does not show it yet
		}
		return false, c.collide(ctx, d, rs.Name)
	case loop.NamespaceGone(err):
		return false, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	}
	c.Events.Warning(d, reasonCreateFailed, "Failed to create new replica set %q: %v", rs.Name, err)
	failure := fmt.Errorf("creating ReplicaSet %s: %w", loop.KeyOf(rs), err)
	return false, errors.Join(failure, c.report(ctx, d, "", withCreateError(d, rs.Name, err, c.Clock.Now())))
}

// collide counts that another ReplicaSet has the name of the new one, which gives it another name the next time.
func (c *deploymentController) collide(ctx context.Context, d *appsv1.Deployment, name string) error {
	status := *d.Status.DeepCopy()
	status.CollisionCount = ptr.To(ptr.Deref(status.CollisionCount, 0) + 1)
	c.Logger.Info("another ReplicaSet has the name for the template", "deployment", loop.KeyOf(d), "replicaset", name,
		"collisionCount", *status.CollisionCount)
	return c.report(ctx, d, "", status)
}

// resize updates the ReplicaSets that change and deletes those that are history.
func (c *deploymentController) resize(ctx context.Context, d *appsv1.Deployment, plan deploymentPlan) error {
	for _, u := range plan.Update {
		updated, err := c.Client.AppsV1().ReplicaSets(d.Namespace).Update(journal.WithReason(ctx, u.Reason), u.Set,
			metav1.UpdateOptions{})
		if err != nil {
			return fmt.Errorf("updating ReplicaSet %s: %w", loop.KeyOf(u.Set), err)
		}
		c.setWrites.Wrote(loop.KeyOf(d), updated)
		if *u.Set.Spec.Replicas != u.From {
			c.tellSize(d, u.Set.Name, u.From, *u.Set.Spec.Replicas, u.Reason)
		}
	}
	for _, deletion := range plan.Delete {
		rs := deletion.Set
		err := c.Client.AppsV1().ReplicaSets(d.Namespace).Delete(journal.WithReason(ctx, deletion.Reason), rs.Name,
			metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(rs.UID))})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting ReplicaSet %s: %w", loop.KeyOf(rs), err)
		}
		c.setWrites.Deleted(loop.KeyOf(d), rs)
	}
	return nil
}

// tellSize says in an Event and in the log that a ReplicaSet was sized.
func (c *deploymentController) tellSize(d *appsv1.Deployment, set string, from, to int32, reason string) {
	if from == to {
		return
	}
	direction := "up"
	if to < from {
		direction = "down"
	}
	c.Events.Normal(d, "ScalingReplicaSet", "Scaled %s replica set %s from %d to %d", direction, set, from, to)
	c.Logger.Info("scaled replica set", "deployment", loop.KeyOf(d), "replicaset", set, "from", from, "to", to,
		"reason", reason)
}

// report writes the Deployment's revision and status where they differ.
func (c *deploymentController) report(ctx context.Context, d *appsv1.Deployment, revision string,
	status appsv1.DeploymentStatus) error {
	client := c.Client.AppsV1().Deployments(d.Namespace)
	old := d.Status
	d = d.DeepCopy()
	if revision != "" {
		if d.Annotations == nil {
			d.Annotations = map[string]string{}
		}
		reason := fmt.Sprintf("Deployment %s is at revision %q, its newest ReplicaSet at %q", d.Name,
			d.Annotations[revisionAnnotation], revision)
		d.Annotations[revisionAnnotation] = revision
		updated, err := client.Update(journal.WithReason(ctx, reason), d, metav1.UpdateOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("setting the revision of Deployment %s: %w", loop.KeyOf(d), err)
		}
		c.deploymentWrites.Wrote(loop.KeyOf(d), updated)
		d = updated
	}
	reason := describeDeploymentStatus(d.Name, old, status)
	if reason == "" {
		return nil
	}
	d.Status = status
	updated, err := client.UpdateStatus(journal.WithReason(ctx, reason), d, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("updating the status of Deployment %s: %w", loop.KeyOf(d), err)
	}
	c.deploymentWrites.Wrote(loop.KeyOf(d), updated)
	return nil
}
