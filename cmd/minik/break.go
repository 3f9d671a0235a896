package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

	"minik.dev/api"
	"minik.dev/cluster"
	"minik.dev/history"
	"minik.dev/journal"
)

const (
	// holdPatience is how long a component may take to answer.
	holdPatience = 3 * time.Second
	// stepPatience is how long one decision may take: a container's stop has its grace period.
	stepPatience = time.Minute
	// lookAgain is the pause between two looks at a control.
	lookAgain = 20 * time.Millisecond
)

func newBreak(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	return &cobra.Command{
		Use:   "break COMPONENT",
		Short: "Hold a component before its next decision",
		Long: "Hold a component before its next decision: " + strings.Join(cluster.Holdable(), ", ") + ".\n" +
			"What is no decision goes on: a held kubelet still renews its lease and its containers run, a held proxy still\n" +
			"forwards, a held dns still answers with the names that it knows. A component that is started again while it\n" +
			"is held stays held.",
		Example: "  minik break scheduler\n  minik step scheduler\n  minik continue scheduler",
		Args:    exactly("COMPONENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := newHold(cmd, streams.Out, home, args[0])
			if err != nil {
				return err
			}
			return h.hold(cmd.Context())
		},
	}
}

func newStep(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	count := 1
	cmd := &cobra.Command{
		Use:     "step COMPONENT",
		Short:   "Let a held component make its next decision, and show it",
		Example: "  minik step scheduler\n  minik step controller/deployment --count 3",
		Args:    exactly("COMPONENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if count < 1 {
				return usagef(cmd, "--count %d: at least one decision is let through", count)
			}
			h, err := newHold(cmd, streams.Out, home, args[0])
			if err != nil {
				return err
			}
			for range count {
				if err := h.step(cmd.Context()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&count, "count", count, "How many decisions, one after the other")
	return cmd
}

func newContinue(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	return &cobra.Command{
		Use:   "continue [COMPONENT]",
		Short: "Let a held component go on; without a name, all that are held",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef(cmd, "%q is one argument too many", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return continueAll(cmd, streams.Out, home)
			}
			h, err := newHold(cmd, streams.Out, home, args[0])
			if err != nil {
				return err
			}
			return h.release(cmd.Context())
		},
	}
}

// hold is what `break`, `step` and `continue` do with one component.
type hold struct {
	component string
	client    rest.Interface
	out       io.Writer
	flag      string // of the data directory, for what to type next
}

func newHold(cmd *cobra.Command, out io.Writer, home *home, component string) (*hold, error) {
	config, err := restConfig(cmd, home)
	if err != nil {
		return nil, err
	}
	config = journal.Config(config, "minik")
	config.QPS = -1 // one user who waits asks often
	if err := knownComponent(cmd, config, component); err != nil {
		return nil, err
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	return &hold{component: component, client: client, out: out, flag: home.flag()}, nil
}

// knownComponent refuses what cannot be held, and names what can.
func knownComponent(cmd *cobra.Command, config *rest.Config, component string) error {
	if node, ok := strings.CutPrefix(component, "kubelet/"); ok {
		return knownNode(cmd.Context(), config, node)
	}
	all := cluster.Holdable()
	if slices.Contains(all, component) {
		return nil
	}
	return usagef(cmd, "%q cannot be held: what can be is\n  %s", component, strings.Join(all, "\n  "))
}

// typed is the reason of what the command writes.
func (h *hold) typed(ctx context.Context, verb string) context.Context {
	return journal.WithReason(ctx, fmt.Sprintf("`minik %s %s` was typed", verb, h.component))
}

// until looks at the control until it is as asked, and returns it as it was seen last.
func (h *hold) until(ctx context.Context, patience time.Duration, met func(*api.Control) bool) (*api.Control, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	var last *api.Control
	for {
		control, _, err := getControl(ctx, h.client, api.ControlName(h.component))
		switch {
		case ctx.Err() != nil && last != nil:
			return last, false, nil
		case err != nil:
			return nil, false, fmt.Errorf("reading control %s: %w", api.ControlName(h.component), err)
		case met(control):
			return control, true, nil
		}
		last = control
		select {
		case <-ctx.Done():
			return last, false, nil
		case <-look.C:
		}
	}
}

func (h *hold) hold(ctx context.Context) error {
	_, err := editControl(h.typed(ctx, "break"), h.client, h.component, func(c *api.Control) {
		if !c.Spec.Held {
			c.Spec.Held, c.Spec.Steps = true, c.Status.Steps
		}
	})
	if err != nil {
		return err
	}
	control, holding, err := h.until(ctx, holdPatience, func(c *api.Control) bool { return c.Status.Holding })
	if err != nil {
		return err
	}
	if !holding {
		_, _ = fmt.Fprintf(h.out, "%s has not answered within %s: it is held as soon as it runs and is done with what it does\n",
			h.component, holdPatience)
		return nil
	}
	_, _ = fmt.Fprintf(h.out, "%s\n`minik%s step %s` lets one decision through, `minik%[2]s continue %[3]s` all\n",
		heldLine(h.component, control), h.flag, h.component)
	return nil
}

// heldLine says how a held component is.
func heldLine(component string, c *api.Control) string {
	switch {
	case !c.Status.Holding:
		return component + " shall be held: it does not run, or a decision is still under way"
	case c.Status.Waiting == 0:
		return component + " is held; nothing waits"
	case c.Status.Waiting == 1:
		return fmt.Sprintf("%s is held; 1 decision waits: %s", component, c.Status.Next)
	}
	return fmt.Sprintf("%s is held; %d decisions wait, the first: %s", component, c.Status.Waiting, c.Status.Next)
}

func (h *hold) step(ctx context.Context) error {
	// 1. Something must wait: a step that nobody takes would be a surprise later.
	control, waits, err := h.until(ctx, holdPatience, func(c *api.Control) bool {
		return !c.Spec.Held || c.Status.Holding && c.Status.Waiting > 0
	})
	switch {
	case err != nil:
		return err
	case !control.Spec.Held:
		return fmt.Errorf("%s is not held: `minik%s break %[1]s` holds it", h.component, h.flag)
	case !waits && control.Status.Holding:
		return fmt.Errorf("%s: nothing waits, so there is no decision to let through", h.component)
	case !waits:
		return fmt.Errorf("%s", heldLine(h.component, control))
	}
	// 2. One more than it has made.
	asked, err := editControl(h.typed(ctx, "step"), h.client, h.component, func(c *api.Control) {
		c.Spec.Steps = c.Status.Steps + 1
	})
	if err != nil {
		return err
	}
	// 3. What came of it.
	done, ok, err := h.until(ctx, stepPatience, func(c *api.Control) bool { return c.Status.Decided >= asked.Spec.Steps })
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s has not made its decision within %s: it may have ended, or the decision takes that long; "+
			"`minik%s status` says what waits", h.component, stepPatience, h.flag)
	}
	_, _ = fmt.Fprintf(h.out, "%s: %s\n", h.component, done.Status.Decision)
	return h.printWrites(ctx, asked, done)
}

// printWrites shows what the component wrote between two states of its control: nobody but the step could have.
func (h *hold) printWrites(ctx context.Context, asked, done *api.Control) error {
	var revisions api.RevisionList
	if err := h.client.Get().Resource("revisions").Param("limit", "200").Do(ctx).Into(&revisions); err != nil {
		return fmt.Errorf("reading what %s wrote: %w", h.component, err)
	}
	lines := writesOf(h.component, revisions.Items, revisionOf(asked), revisionOf(done))
	if len(lines) == 0 {
		lines = []string{"nothing was written"}
	}
	for _, line := range lines {
		_, _ = fmt.Fprintf(h.out, "  %s\n", line)
	}
	return nil
}

func revisionOf(c *api.Control) int64 {
	n, _ := strconv.ParseInt(c.ResourceVersion, 10, 64) // the server's own
	return n
}

// writesOf are the writes of a component after one revision and up to another, the oldest first, without those about its
// control.
func writesOf(component string, revisions []api.Revision, after, upTo int64) []string {
	program, user := cluster.Actor(component)
	var lines []string
	for _, r := range slices.Backward(revisions) {
		n, err := strconv.ParseInt(r.GetName(), 10, 64)
		if err != nil || n <= after || n > upTo || r.Resource == "controls" {
			continue
		}
		if r.Actor.Component != program || user != "" && r.Actor.User != user {
			continue
		}
		lines = append(lines, fmt.Sprintf("%d  %s %s  %s", n, r.Verb, history.ObjectOf(&r), r.Reason))
	}
	return lines
}

func (h *hold) release(ctx context.Context) error {
	held := false
	_, err := editControl(h.typed(ctx, "continue"), h.client, h.component, func(c *api.Control) {
		held = c.Spec.Held
		c.Spec.Held = false
	})
	if err != nil {
		return err
	}
	if !held {
		return fmt.Errorf("%s is not held", h.component)
	}
	_, _ = fmt.Fprintf(h.out, "%s goes on\n", h.component)
	return nil
}

// continueAll lets all go on that are held.
func continueAll(cmd *cobra.Command, out io.Writer, home *home) error {
	config, err := restConfig(cmd, home)
	if err != nil {
		return err
	}
	client, err := api.NewClient(journal.Config(config, "minik"))
	if err != nil {
		return err
	}
	held, err := heldControls(cmd.Context(), client)
	if err != nil {
		return err
	}
	if len(held) == 0 {
		_, _ = fmt.Fprintln(out, "nothing is held")
	}
	for i := range held {
		h := &hold{component: componentOf(held[i].Name), client: client, out: out, flag: home.flag()}
		if err := h.release(cmd.Context()); err != nil {
			return err
		}
	}
	return nil
}

// heldControls are the controls of the components that are held.
func heldControls(ctx context.Context, client rest.Interface) ([]api.Control, error) {
	var controls api.ControlList
	if err := client.Get().Resource("controls").Do(ctx).Into(&controls); err != nil {
		return nil, fmt.Errorf("asking what is held: %w", err)
	}
	return slices.DeleteFunc(controls.Items, func(c api.Control) bool { return !c.Spec.Held }), nil
}

// componentOf undoes api.ControlName.
func componentOf(name string) string { return strings.Replace(name, ".", "/", 1) }
