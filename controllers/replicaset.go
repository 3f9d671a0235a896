package controllers

func newReplicaSetController(env) (controller, error) { return controller{}, nil }
