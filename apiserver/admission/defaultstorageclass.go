package admission

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/storage"
)

// defaultStorageClass gives a claim that names no class the default one, if there is one: upstream's plugin of this name.
// A claim that names the empty class wants none.
type defaultStorageClass struct{ reader Reader }

func (p defaultStorageClass) mutate(ctx context.Context, r *Request) error {
	if !r.creates("persistentvolumeclaims") {
		return nil
	}
	claim := r.Object.(*corev1.PersistentVolumeClaim)
	if _, named := claim.Annotations[corev1.BetaStorageClassAnnotation]; named || claim.Spec.StorageClassName != nil {
		return nil
	}
	if err := p.reader.Fresh(ctx); err != nil {
		return err
	}
	var newest *storagev1.StorageClass
	p.reader.Each("storage.k8s.io", "storageclasses", func(obj resources.Object) {
		class := obj.(*storagev1.StorageClass)
		if !storage.IsDefaultClass(class.Annotations) {
			return
		}
		// Of several the newest is taken; they come sorted by name, so that the first of equals stays.
		if newest == nil || newest.CreationTimestamp.Before(&class.CreationTimestamp) {
			newest = class
		}
	})
	if newest != nil {
		name := newest.Name
		claim.Spec.StorageClassName = &name
	}
	return nil
}
