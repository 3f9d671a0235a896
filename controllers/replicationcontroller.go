package controllers

func newReplicationController(env) (controller, error) { return controller{}, nil }
