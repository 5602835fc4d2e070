package app

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"latchkey/internal/accounts"
	"latchkey/internal/config"
	"latchkey/internal/secret"
)

type keysCmd struct {
	Rotate keysRotateCmd `cmd:"" help:"Make a new key, seal everything anew with it, and forget the old ones. Servers go on working."`
	Status keysStatusCmd `cmd:"" help:"Count what is sealed with which key."`
}

type keysStatusCmd struct{}

// Run counts sealed values by key.
func (keysStatusCmd) Run(c *console, cfg *config.Config) error {
	return withExisting(c, cfg, func(in *installation) error {
		for _, p := range in.ring.KeyPrefixes() {
			n, waiting, err := in.sealedWith(c.ctx, p)
			if err != nil {
				return err
			}
			n += waiting
			mark := ""
			if string(p) == string(in.ring.PrimaryPrefix()) {
				mark = "  (seals new values)"
			}
			c.printf("key %s  %d values%s\n", hex.EncodeToString(p), n, mark)
		}
		return nil
	})
}

type keysRotateCmd struct {
	// Pause exists for tests and for installations that are stopped: it is how long other
	// processes are given to learn of a new key.
	Pause time.Duration `default:"65s" help:"How long running servers are given to learn of the new key. Shorten it only if none runs."`
}

const resealBatch = 200

// Run rotates: a key is added, running servers learn of it, it becomes the one that seals, what the
// old ones sealed is sealed anew, and they are forgotten. It can be interrupted and run again.
func (k keysRotateCmd) Run(c *console, cfg *config.Config) error {
	return withExisting(c, cfg, func(in *installation) error {
		_, written := in.auditing(c.ctx, "rotate_keys", "", "")
		err := k.rotate(c, in)
		written(err)
		return err
	})
}

func (k keysRotateCmd) rotate(c *console, in *installation) error {
	if done, err := k.finish(c, in); done || err != nil {
		return err
	}
	old := in.ring.KeyPrefixes()
	prefix, err := in.ring.AddKey(c.ctx)
	if err != nil {
		return err
	}
	c.printf("Key %s added. Waiting %s until every server knows it.\n", hex.EncodeToString(prefix), k.Pause)
	if err := pause(c.ctx, k.Pause); err != nil {
		return err
	}
	if err := in.ring.Promote(c.ctx, prefix); err != nil {
		return err
	}
	total, err := k.reseal(c, in)
	if err != nil {
		return err
	}
	c.printf("%d values sealed anew. Waiting until no server seals with the old keys.\n", total)
	// A server may seal with the old key for MaxStale after the change, and a forgotten key is gone:
	// the keyring itself refuses to forget one sooner.
	if err := pause(c.ctx, min(2*secret.MaxStale+2*time.Second, 2*k.Pause)); err != nil {
		return err
	}
	if _, err := k.reseal(c, in); err != nil { // what was sealed with an old key meanwhile
		return err
	}
	return k.retire(c, in, old)
}

// finish ends a rotation that was begun before, and tells whether there was one.
func (k keysRotateCmd) finish(c *console, in *installation) (bool, error) {
	var old [][]byte
	for _, p := range in.ring.KeyPrefixes() {
		if !bytes.Equal(p, in.ring.PrimaryPrefix()) {
			old = append(old, p)
		}
	}
	if len(old) == 0 {
		return false, nil
	}
	c.printf("An earlier rotation was not finished; finishing it. Run the command again for a new key.\n")
	if _, err := k.reseal(c, in); err != nil {
		return true, err
	}
	return true, k.retire(c, in, old)
}

func (k keysRotateCmd) reseal(c *console, in *installation) (int, error) {
	total := 0
	for {
		n, err := in.store.Reseal(c.ctx, resealBatch)
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
}

// sealedWith counts what needs a key: values at rest, and credentials in jobs that will still run.
func (in *installation) sealedWith(ctx context.Context, prefix []byte) (values, inJobs int, err error) {
	if values, err = in.store.SealedWith(ctx, prefix); err != nil {
		return 0, 0, err
	}
	inJobs, err = in.store.JobsSealedWith(ctx, accounts.KindRevoke, prefix)
	return values, inJobs, err
}

func (k keysRotateCmd) retire(c *console, in *installation, old [][]byte) error {
	for _, p := range old {
		n, waiting, err := in.sealedWith(c.ctx, p)
		if err != nil {
			return err
		}
		if waiting > 0 {
			// What travels in a job cannot be sealed anew beside the worker that may be reading it.
			c.printf("Key %s still seals %d credentials that wait to be revoked at their provider; run the command again when they are (some hours at most).\n", hex.EncodeToString(p), waiting)
			continue
		}
		if n > 0 {
			c.printf("Key %s still seals %d values that change all the time (flows in progress); run the command again later.\n", hex.EncodeToString(p), n)
			continue
		}
		if err := in.ring.Retire(c.ctx, p); errors.Is(err, secret.ErrTooEarly) {
			c.printf("Key %s seals nothing any more; run the command again in two minutes to forget it.\n", hex.EncodeToString(p))
			continue
		} else if err != nil {
			return fmt.Errorf("key %s is not needed any more but stays: %w", hex.EncodeToString(p), err)
		}
		c.printf("Key %s forgotten.\n", hex.EncodeToString(p))
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
