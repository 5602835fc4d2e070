package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"latchkey"
	"latchkey/internal/connector/whatsapp/sim"
	"latchkey/internal/secret"
	"latchkey/internal/store"
	"latchkey/internal/store/sqlstore"
)

// adopt fills the stopped server's database with linked accounts: copies of one that was linked, with
// numbers and keys of their own. Pairing thousands would measure the making of keys.
func (p *phoneStage) adopt(ctx context.Context) (err error) {
	db, err := sqlstore.OpenDatabase(ctx, sqlstore.Options{Path: filepath.Join(p.data, "latchkey.db"), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	master, err := secret.ReadMasterKey(filepath.Join(p.data, "master.key"))
	if err != nil {
		return errors.Join(err, db.Close())
	}
	ring, err := secret.LoadOrCreate(ctx, db.Keysets(), master, time.Now)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s, err := sqlstore.NewStore(db, ring)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	apps, err := s.Applications().List(ctx)
	if err != nil {
		return err
	}
	page, err := s.Accounts().List(ctx, apps[0].ID, store.Page{Limit: 1})
	if err != nil || len(page) == 0 {
		return fmt.Errorf("no account to copy: %w", err)
	}
	model, err := s.Accounts().Get(ctx, apps[0].ID, string(page[0].ID))
	if err != nil {
		return err
	}
	memory := map[string]map[string][]byte{}
	for _, kind := range []string{"prekey", "mark"} {
		if memory[kind], err = s.Memories().List(ctx, store.MemoryRef{AccountID: model.ID, ApplicationID: model.ApplicationID}, kind, ""); err != nil {
			return err
		}
	}
	for i := p.have; i < linked; i++ {
		if err := p.adoptOne(ctx, s, model, memory, i); err != nil {
			return err
		}
	}
	return nil
}

// adoptOne makes one of them, here and at the simulated WhatsApp.
func (p *phoneStage) adoptOne(ctx context.Context, s *sqlstore.Store, model latchkey.Account, memory map[string]map[string][]byte, i int) error {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	p.sim.AddPhone(sim.Phone{Number: number(i)})
	device, err := p.sim.Adopt(number(i), [32]byte(key.PublicKey().Bytes()))
	if err != nil {
		return err
	}
	var credential map[string]any
	if err := json.Unmarshal(model.Secret, &credential); err != nil {
		return err
	}
	credential["jid"], credential["noise"] = fmt.Sprintf("%s:%d@s.whatsapp.net", number(i), device), key.Bytes()
	delete(credential, "lid")
	now := time.Now().UTC().Truncate(time.Millisecond)
	a := model
	a.ID, a.ExternalID, a.Identity, a.CreatedAt = latchkey.NewAccountID(now), "", number(i), now
	if a.Secret, err = json.Marshal(credential); err != nil {
		return err
	}
	return s.InTx(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := tx.Accounts().Create(ctx, a); err != nil {
			return err
		}
		if err := tx.Keeps().Want(ctx, store.Keep{AccountID: a.ID, ApplicationID: a.ApplicationID, Provider: a.Provider, Due: now}); err != nil {
			return err
		}
		for kind, values := range memory {
			if err := tx.Memories().Put(ctx, store.MemoryRef{AccountID: a.ID, ApplicationID: a.ApplicationID, Fence: 1}, kind, "", values); err != nil {
				return err
			}
		}
		return nil
	})
}
