package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"minik.dev/cluster"
)

func newSnapshot(streams genericiooptions.IOStreams, home *home) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot save|verify|restore FILE",
		Short: "Copy the whole store into a file, check such a file, or go back to it",
		Long: "Copy the whole store into a file, check such a file, or go back to it. The file is etcd's own snapshot, with a\n" +
			"SHA-256 at its end: etcdctl and etcdutl read it too. What it holds is every object and the history that was kept,\n" +
			"Secrets included. It is restored into the data dir that it is of: certificates and addresses are not in it.",
		Example: "  minik snapshot save monday.db\n  minik snapshot verify monday.db\n" +
			"  minik down && minik snapshot restore monday.db && minik up",
		Args: func(cmd *cobra.Command, args []string) error { return wrongSubcommand(cmd, args) },
		RunE: func(cmd *cobra.Command, args []string) error { return wrongSubcommand(cmd, args) },
	}
	for _, sub := range []struct {
		verb, short string
		run         func(cmd *cobra.Command, file string) error
	}{
		{"save", "Copy the store of the cluster, running or not, into a new file", func(cmd *cobra.Command, file string) error {
			s, err := cluster.SaveSnapshot(cmd.Context(), home.dataDir, file)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(streams.Out, "saved in %s: %s\n", file, snapshotLine(s))
			return home.keepOwner(file)
		}},
		{"verify", "Say what is in a snapshot, or how it is damaged", func(_ *cobra.Command, file string) error {
			s, err := cluster.VerifySnapshot(file)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(streams.Out, "%s is whole: %s\n", file, snapshotLine(s))
			return nil
		}},
		{"restore", "Put a snapshot in the place of the store of a cluster that is not running", func(cmd *cobra.Command, file string) error {
			now := time.Now() //nolint:forbidigo // main's own: it names the directory of the former data
			r, err := cluster.RestoreSnapshot(cmd.Context(), home.dataDir, file, now)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(streams.Out, "restored into %s: %s\n", home.dataDir, snapshotLine(r.EtcdSnapshot))
			_, _ = fmt.Fprintf(streams.Out, "it goes on with revision %d, which is later than any that somebody may know\n", r.Revision)
			if r.Aside != "" {
				_, _ = fmt.Fprintf(streams.Out, "the data that was there is kept in %s\n", filepath.Clean(r.Aside))
			}
			return home.keepOwner(home.dataDir)
		}},
	} {
		cmd.AddCommand(&cobra.Command{
			Use:   sub.verb + " FILE",
			Short: sub.short,
			Args:  exactly("FILE"),
			RunE: func(cmd *cobra.Command, args []string) error {
				if err := noKubeconfig(cmd); err != nil {
					return err
				}
				return sub.run(cmd, args[0])
			},
		})
	}
	return cmd
}

// snapshotLine says what a snapshot holds.
func snapshotLine(s cluster.EtcdSnapshot) string {
	return fmt.Sprintf("revision %d, %d objects, %s, sha256 %s", s.Revision, s.Objects,
		resource.NewQuantity(s.Bytes, resource.BinarySI), s.SHA256)
}
