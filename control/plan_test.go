package control

import (
	"testing"

	"github.com/stretchr/testify/require"

	"minik.dev/api"
)

func TestPlan(t *testing.T) {
	held := func(steps int64, s api.ControlStatus) *api.Control {
		return &api.Control{Spec: api.ControlSpec{Held: true, Steps: steps}, Status: s}
	}
	done := "pods/web → node-2"
	for name, c := range map[string]struct {
		control *api.Control
		line    line
		want    move
	}{
		"there is no control": {nil, line{}, move{}},
		"a stopped node that nobody holds has nothing to report": {
			&api.Control{Spec: api.ControlSpec{Stopped: true}}, line{Fresh: true},
			move{Reason: "the component goes on"},
		},
		"a hold is reported once nothing is under way": {
			held(0, api.ControlStatus{}), line{},
			move{Write: true, Status: api.ControlStatus{Holding: true},
				Reason: "the component is held, 0 decisions wait, 0 are under way"},
		},
		"a decision is still under way": {
			held(0, api.ControlStatus{}), line{Passing: 1, Waiting: 2, First: true, Next: "a", Second: "b"},
			move{Write: true, Status: api.ControlStatus{Waiting: 2, Next: "a"},
				Reason: "the component is held, 2 decisions wait, 1 are under way"},
		},
		"what waits is reported already": {
			held(0, api.ControlStatus{Holding: true, Waiting: 1, Next: "a"}), line{Waiting: 1, First: true, Next: "a"},
			move{Status: api.ControlStatus{Holding: true, Waiting: 1, Next: "a"},
				Reason: "the component is held, 1 decisions wait, 0 are under way"},
		},
		"a step is taken": {
			held(4, api.ControlStatus{Holding: true, Waiting: 2, Next: "a", Steps: 3, Decided: 3, Decision: "before"}),
			line{Waiting: 2, First: true, Next: "a", Second: "b"},
			move{Write: true, Let: true, Reason: "step 4 of 4 is taken: a",
				Status: api.ControlStatus{Waiting: 1, Next: "b", Steps: 4, Decided: 3, Decision: "before"}},
		},
		"a step waits for something to decide": {
			held(1, api.ControlStatus{Holding: true}), line{},
			move{Status: api.ControlStatus{Holding: true}, Reason: "the component is held, 0 decisions wait, 0 are under way"},
		},
		"a step waits for the one before": {
			held(2, api.ControlStatus{Steps: 1, Waiting: 1, Next: "b"}),
			line{Passing: 1, Stepping: true, Waiting: 1, First: true, Next: "b"},
			move{Status: api.ControlStatus{Steps: 1, Waiting: 1, Next: "b"},
				Reason: "the component is held, 1 decisions wait, 1 are under way"},
		},
		"a step that is done is reported before the next is taken": {
			held(2, api.ControlStatus{Steps: 1}), line{Done: &done, Waiting: 1, First: true, Next: "b"},
			move{Write: true, Reason: "step 1 is done: pods/web → node-2",
				Status: api.ControlStatus{Holding: true, Waiting: 1, Next: "b", Steps: 1, Decided: 1, Decision: done}},
		},
		"a step whose process was killed is over": {
			held(1, api.ControlStatus{Steps: 1}), line{Fresh: true, Waiting: 1, First: true, Next: "a"},
			move{Write: true, Reason: "step 1: " + interrupted,
				Status: api.ControlStatus{Holding: true, Waiting: 1, Next: "a", Steps: 1, Decided: 1, Decision: interrupted}},
		},
		"steps that nobody took are void when the hold ends": {
			&api.Control{Spec: api.ControlSpec{Steps: 5}, Status: api.ControlStatus{Holding: true, Waiting: 1, Next: "a", Steps: 3}},
			line{},
			move{Write: true, Reason: "the component goes on", Status: api.ControlStatus{Steps: 5, Decided: 5}},
		},
		"a step is still under way when the hold ends": {
			&api.Control{Spec: api.ControlSpec{Steps: 1}, Status: api.ControlStatus{Steps: 1}},
			line{Passing: 1, Stepping: true},
			move{Status: api.ControlStatus{Steps: 1}, Reason: "the component goes on"},
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, plan(c.control, c.line)) })
	}
}
