package api

import "k8s.io/apimachinery/pkg/runtime"

// The copies below are what runtime.Object asks for: nothing in the copy is shared with the original.

// DeepCopyInto copies r into out.
func (r *Revision) DeepCopyInto(out *Revision) {
	*out = *r
	r.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Causes = append([]string(nil), r.Causes...)
	r.Time.DeepCopyInto(&out.Time)
}

// DeepCopyObject makes a copy of r.
func (r *Revision) DeepCopyObject() runtime.Object {
	out := new(Revision)
	r.DeepCopyInto(out)
	return out
}

// DeepCopyObject makes a copy of l.
func (l *RevisionList) DeepCopyObject() runtime.Object {
	out := &RevisionList{TypeMeta: l.TypeMeta, Items: make([]Revision, len(l.Items))}
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range l.Items {
		l.Items[i].DeepCopyInto(&out.Items[i])
	}
	return out
}

// DeepCopy makes a copy of c.
func (c *Control) DeepCopy() *Control {
	out := new(Control)
	c.DeepCopyInto(out)
	return out
}

// DeepCopyInto copies c into out.
func (c *Control) DeepCopyInto(out *Control) {
	*out = *c
	c.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
}

// DeepCopyObject makes a copy of c.
func (c *Control) DeepCopyObject() runtime.Object { return c.DeepCopy() }

// DeepCopyObject makes a copy of l.
func (l *ControlList) DeepCopyObject() runtime.Object {
	out := &ControlList{TypeMeta: l.TypeMeta, Items: make([]Control, len(l.Items))}
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	for i := range l.Items {
		l.Items[i].DeepCopyInto(&out.Items[i])
	}
	return out
}
