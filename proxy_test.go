package latchkey_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"latchkey"
)

func TestProxyIsPrintedWithoutItsPassword(t *testing.T) {
	p := latchkey.Proxy{Protocol: latchkey.ProxySOCKS5, Host: "fd00::5", Port: 1080, Username: "northwind", Password: "hunter2"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("proxy", p), slog.Any("pointer", &p))
	shown, err := json.Marshal(p.Shown())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(p), fmt.Sprintf("%v %+v %#v %s %q", p, p, p, p, p), fmt.Sprintf("%v %+v", &p, &p), log.String(), string(shown)} {
		if strings.Contains(s, "hunter2") || strings.Contains(s, "northwind") {
			t.Errorf("it says %s", s)
		}
		if !strings.Contains(s, "fd00::5") {
			t.Errorf("it does not say where: %s", s)
		}
	}
	if got := p.String(); got != "socks5://[fd00::5]:1080" {
		t.Error(got)
	}
	for s, want := range map[string]latchkey.ProxyProtocol{"http": latchkey.ProxyHTTP, "https": latchkey.ProxyHTTPS, "socks5h": latchkey.ProxySOCKS5} {
		if got, ok := latchkey.ParseProxyProtocol(s); !ok || got != want {
			t.Errorf("%s: %s, %v", s, got, ok)
		}
	}
	if _, ok := latchkey.ParseProxyProtocol("socks4"); ok {
		t.Error("socks4 was taken")
	}
}
