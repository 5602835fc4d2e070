package whatsapp

import (
	"context"

	"latchkey/internal/connector"
)

// Hear gives an event of the library to a connection that is kept, as the library would.
func (c *Connector) Hear(ctx context.Context, k connector.Kept, event any) (*connector.Ending, error) {
	d, _, cred, err := decodeDevice(k.Secret, k.Memory, quiet{c.cfg.Log})
	if err != nil {
		return nil, err
	}
	return (&session{conn: c, kept: k, device: d, cred: cred}).hear(ctx, event)
}

// NewMemory is a Memory that nobody else has.
func NewMemory() connector.Memory { return newRAM() }
