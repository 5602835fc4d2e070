package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/config"
	"latchkey/internal/connector"
	"latchkey/internal/connector/telegram"
	telegramsim "latchkey/internal/connector/telegram/sim"
	"latchkey/internal/connector/whatsapp"
	whatsappsim "latchkey/internal/connector/whatsapp/sim"
	"latchkey/internal/demo"
	"latchkey/internal/secret"
)

// samplePhones are a simulated WhatsApp and a simulated Telegram, and phones to hold in one's hand.
type samplePhones struct {
	whatsapp *whatsappsim.Sim
	telegram *telegramsim.Sim
	screens  map[latchkey.Provider]*screen
	list     []demo.Phone
}

// startPhones starts both providers, and lets the installation take them for the real ones.
func startPhones(cfg *config.Config, dir string, now func() time.Time) (*samplePhones, error) {
	s := &samplePhones{screens: map[latchkey.Provider]*screen{latchkey.WhatsApp: {}, latchkey.Telegram: {}}}
	var err error
	if s.whatsapp, err = whatsappsim.Start(whatsappsim.Config{Now: now}); err != nil {
		return nil, err
	}
	if s.telegram, err = telegramsim.Start(telegramsim.Config{Now: now}); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	keys := filepath.Join(dir, "sample-telegram-keys.pem")
	if err := os.WriteFile(keys, s.telegram.PublicKeysPEM(), 0o600); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	cfg.WhatsAppAddr, cfg.WhatsAppRootKey = s.whatsapp.Addr(), s.whatsapp.RootKey()
	cfg.TelegramDCs, cfg.TelegramPublicKeys = s.telegram.DCs(), keys
	cfg.TelegramAPIID, cfg.TelegramAPIHash = 1, secret.NewText("0123456789abcdef0123456789abcdef")
	s.addWhatsApp("ada", "Ada", "", "+4915112345678", false)
	s.addWhatsApp("patty", "Patty's Bakery", "Patty's Bakery", "+442079460958", false)
	s.addWhatsApp("cleo", "Cleo", "", "+33612345678", true)
	return s, errors.Join(
		s.addTelegram("tom", "Tom", "+491510000001", "quiet-otters"),
		s.addTelegram("eva", "Eva", "+12025550143", ""),
	)
}

func (s *samplePhones) addWhatsApp(id, owner, business, number string, passkey bool) {
	s.whatsapp.AddPhone(whatsappsim.Phone{Number: strings.TrimPrefix(number, "+"), Business: business, Passkey: passkey})
	s.list = append(s.list, demo.Phone{
		ID: id, Provider: string(latchkey.WhatsApp), Owner: owner, Number: number, Passkey: passkey,
		Control: s.whatsapp.Control(), Screen: s.screens[latchkey.WhatsApp].shown,
	})
}

func (s *samplePhones) addTelegram(id, owner, number, password string) error {
	_, err := s.telegram.Add(telegramsim.Person{Phone: number, First: owner, Username: id + "_example", Password: password, DC: 4, Hint: "which animals?"})
	s.list = append(s.list, demo.Phone{
		ID: id, Provider: string(latchkey.Telegram), Owner: owner, Number: number, Password: password,
		Control: s.telegram.Control(), Screen: s.screens[latchkey.Telegram].shown,
	})
	return err
}

// Close ends both providers.
func (s *samplePhones) Close() error {
	var err error
	if s.telegram != nil {
		err = s.telegram.Close()
	}
	return errors.Join(err, s.whatsapp.Close())
}

// watch has the phones' cameras see what the wizard shows. It stands between the engine and the two
// connectors, in the demo only.
func (s *samplePhones) watch(c connector.Connector) connector.Connector {
	switch c := c.(type) {
	case *whatsapp.Connector:
		return watchedWhatsApp{c, s.screens[latchkey.WhatsApp]}
	case *telegram.Connector:
		return watchedTelegram{c, s.screens[latchkey.Telegram]}
	}
	return c
}

// screen holds the code that was shown last.
type screen struct {
	mu   sync.Mutex
	code string
}

func (s *screen) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.code
}

func (s *screen) see(step *connector.Step) {
	if step == nil || step.Display != connector.DisplayQR || step.Payload == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code = step.Payload
}

// do does the Work, and sees what is shown during it and after.
func (s *screen) do(ctx context.Context, c connector.Connector, w connector.Work, r connector.Reporter) (connector.Turn, error) {
	turn, err := c.Do(ctx, w, seen{r, s})
	s.see(turn.Step)
	if turn.Work != nil { // it is shown while the Work goes on
		s.see(&turn.Work.Show)
	}
	return turn, err
}

type seen struct {
	connector.Reporter
	screen *screen
}

// Show implements connector.Reporter.
func (s seen) Show(ctx context.Context, step connector.Step) error {
	s.screen.see(&step)
	return s.Reporter.Show(ctx, step)
}

type watchedWhatsApp struct {
	*whatsapp.Connector
	screen *screen
}

// Do implements connector.Connector.
func (w watchedWhatsApp) Do(ctx context.Context, work connector.Work, r connector.Reporter) (connector.Turn, error) {
	return w.screen.do(ctx, w.Connector, work, r)
}

type watchedTelegram struct {
	*telegram.Connector
	screen *screen
}

// Do implements connector.Connector.
func (w watchedTelegram) Do(ctx context.Context, work connector.Work, r connector.Reporter) (connector.Turn, error) {
	return w.screen.do(ctx, w.Connector, work, r)
}
