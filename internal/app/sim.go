package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"latchkey/internal/connector/telegram/sim"
)

// simCmd groups the simulated providers: programs on loopback that speak the real protocols.
type simCmd struct {
	WhatsApp simWhatsAppCmd `cmd:"" name:"whatsapp" help:"Run a simulated WhatsApp, with phones in hand by HTTP."`
	Telegram simTelegramCmd `cmd:"" help:"A simulated Telegram, with a phone that is controlled by HTTP."`
}

type simTelegramCmd struct {
	Control  string `default:"127.0.0.1:4431" placeholder:"IP:PORT" help:"Where the phone is controlled; loopback only."`
	Port     int    `default:"4432" placeholder:"N" help:"Port of data centre 1; the others follow. 0 takes any."`
	Keys     string `default:"telegram-keys.pem" type:"path" placeholder:"FILE" help:"Where the servers' public key is written."`
	Phone    string `default:"+49 151 0000001" help:"Phone number of the one person there is at the start."`
	Password string `placeholder:"TEXT" help:"Two-step password of that person."`
	Code     string `placeholder:"DIGITS" help:"Every code that is sent; default is another one each time."`
	Scan     bool   `help:"That person scans every QR code at once."`
}

// controlTimeout bounds a request to the phone.
const controlTimeout = 10 * time.Second

// Run runs the simulator until it is interrupted.
func (x *simTelegramCmd) Run(c *console) error {
	cfg := sim.Config{Code: x.Code, Now: c.now, DCs: []int{1, 2, 4}, Ports: map[int]int{}}
	if x.Port > 0 {
		for i, dc := range cfg.DCs {
			cfg.Ports[dc] = x.Port + i
		}
	}
	if x.Scan {
		cfg.AutoScan = x.Phone
	}
	host, _, err := net.SplitHostPort(x.Control)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return errors.New("--control must be an address on loopback, such as 127.0.0.1:4431")
	}
	s, err := sim.Start(cfg)
	if err != nil {
		return err
	}
	if _, err := s.Add(sim.Person{Phone: x.Phone, First: "Ada", Last: "Example", Username: "ada_example", Password: x.Password, DC: 4, Hint: "the one you chose"}); err != nil {
		return errors.Join(err, s.Close())
	}
	if err := os.WriteFile(x.Keys, s.PublicKeysPEM(), 0o600); err != nil {
		return errors.Join(fmt.Errorf("write the public key: %w", err), s.Close())
	}
	keys, err := filepath.Abs(x.Keys)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	c.printf("export LATCHKEY_TELEGRAM_DCS=%s\nexport LATCHKEY_TELEGRAM_PUBLIC_KEYS=%s\n", s.DCs(), keys)
	c.printf("export LATCHKEY_TELEGRAM_API_ID=1 LATCHKEY_TELEGRAM_API_HASH=0123456789abcdef0123456789abcdef\n# the phone: http://%s/people\n", x.Control)
	return errors.Join(serveControl(c.ctx, x.Control, s.Control()), s.Close())
}

func serveControl(ctx context.Context, address string, h http.Handler) error {
	srv := &http.Server{Addr: address, Handler: http.NewCrossOriginProtection().Handler(h), ReadHeaderTimeout: controlTimeout, ReadTimeout: controlTimeout, WriteTimeout: controlTimeout}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
