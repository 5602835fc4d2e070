package app

import "testing"

func TestOnlyHostsOfWhatsApp(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"web.whatsapp.com": true, "mmg.whatsapp.net": true, "media-ams4-1.cdn.whatsapp.net": true,
		"whatsapp.com.evil.test": false, "evilwhatsapp.com": false, "10.0.0.1": false, "169.254.169.254": false, "": false, "localhost": false,
	} {
		if got := ofWhatsApp(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
