package controllers

func newDeploymentController(env) (controller, error) { return controller{}, nil }
