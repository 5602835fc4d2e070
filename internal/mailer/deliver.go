package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"

	"latchkey"
)

// deliver hands one mail to the lane's host.
func (l *lane) deliver(ctx context.Context, m latchkey.Mail, c content, sender latchkey.Sender, from identity) error {
	// Whatever is tried again on the way, the mail is ours no longer than its claim.
	ctx, cancel := context.WithTimeout(ctx, connectTime+sendTime)
	defer cancel()
	message, err := compose(m, c, from)
	if err != nil {
		return at(stageData, err)
	}
	if l.id != "" && sender.Transport == latchkey.TransportGraph {
		return l.deliverGraph(ctx, sender, message)
	}
	w, err := l.take(ctx, sender, false)
	if err != nil {
		return err
	}
	warm := w.sent > 0
	taken, err := w.send(ctx, from.Email, m.To, message)
	if err != nil && warm && !taken && hungUp(err) && stageOf(err) != stageData {
		// The host had hung up on a connection that seemed to live: nothing of the mail was taken.
		_ = w.conn.Close()
		if w, err = l.take(ctx, sender, true); err != nil {
			return err
		}
		_, err = w.send(ctx, from.Email, m.To, message)
	}
	if err != nil && protocol(err) == nil || w.sent >= maxPerConnection {
		w.close()
		return err
	}
	if p := protocol(err); p != nil && p.Code == 421 { // RFC 5321 §3.8: it closes now
		w.close()
		return err
	}
	l.give(w)
	return err
}

// hungUp tells that the host ended the connection, with or without its 421 (RFC 5321 §3.8).
func hungUp(err error) bool {
	p := protocol(err)
	return p == nil || p.Code == 421
}

func (l *lane) deliverGraph(ctx context.Context, sender latchkey.Sender, message io.WriterTo) error {
	for _, fresh := range []bool{false, true} {
		token, err := l.s.tokens.get(ctx, sender, l.s.now(), fresh)
		if err != nil {
			return at(stageAuth, err)
		}
		err = l.s.sendGraph(ctx, sender, token, message)
		e, ok := errors.AsType[*graphError](err)
		if fresh || !ok || e.status != 401 {
			return err
		}
	}
	return nil
}

// take returns a connection that is logged in: a warm one, or with fresh set always a new one.
func (l *lane) take(ctx context.Context, sender latchkey.Sender, fresh bool) (*wire, error) {
	for !fresh {
		l.mu.Lock()
		n := len(l.idle)
		if n == 0 {
			l.mu.Unlock()
			break
		}
		w := l.idle[n-1]
		l.idle = l.idle[:n-1]
		l.mu.Unlock()
		if idle := l.s.now().Sub(w.idleSince); idle < surelyAlive || idle < idleTime && w.alive() {
			return w, nil
		}
		w.close()
	}
	return l.s.dialSender(ctx, l.id, sender)
}

func (l *lane) give(w *wire) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.idleSince = l.s.now()
	l.idle = append(l.idle, w)
}

// closeIdle ends connections that nobody has used for a while, or all of them.
func (s *Service) closeIdle(all bool) {
	s.mu.Lock()
	lanes := make([]*lane, 0, len(s.lanes))
	for _, l := range s.lanes {
		lanes = append(lanes, l)
	}
	s.mu.Unlock()
	for _, l := range lanes {
		l.mu.Lock()
		var keep, end []*wire
		for _, w := range l.idle {
			if all || s.now().Sub(w.idleSince) >= idleTime {
				end = append(end, w)
			} else {
				keep = append(keep, w)
			}
		}
		l.idle = keep
		l.mu.Unlock()
		for _, w := range end {
			w.close()
		}
	}
}

// dialSender connects and logs in as a sender, or with an empty id as the default sender. A token
// that is refused is asked for anew, once.
func (s *Service) dialSender(ctx context.Context, id latchkey.SenderID, sender latchkey.Sender) (*wire, error) {
	if id == "" {
		return connect(ctx, s.relayRoute())
	}
	r := s.routeOf(sender)
	if sender.Kind != latchkey.SenderOAuth {
		return connect(ctx, r)
	}
	var w *wire
	for _, fresh := range []bool{false, true} {
		token, err := s.tokens.get(ctx, sender, s.now(), fresh)
		if err != nil {
			return nil, at(stageAuth, err)
		}
		r.password = token
		w, err = connect(ctx, r)
		if p := protocol(err); fresh || p == nil || stageOf(err) != stageAuth || p.Code < 500 {
			return w, err
		}
	}
	return w, nil
}

// relayRoute is the way to the default sender's host.
func (s *Service) relayRoute() route {
	d := s.cfg.Default
	return route{
		dial: s.cfg.DialRelay, tls: s.tlsFor(d.Host), host: d.Host, port: d.Port, encryption: d.Encryption,
		username: d.Username, password: d.Password, patience: s.patience(),
	}
}

// routeOf is the way to a sender's host, without its token.
func (s *Service) routeOf(v latchkey.Sender) route {
	r := route{dial: s.cfg.Dial, host: v.Host, port: v.Port, encryption: EncryptionSTARTTLS, username: v.Username, password: v.Password, patience: s.patience()}
	r.plaintext = s.cfg.Plaintext != nil && s.cfg.Plaintext(v.Host)
	if impliesTLS(v.Port) {
		r.encryption = EncryptionTLS
	}
	if v.Kind == latchkey.SenderOAuth {
		server := s.cfg.Providers.MicrosoftSMTP
		usual := Server{Host: "smtp.office365.com", Port: 587, Encryption: EncryptionSTARTTLS}
		if v.Provider == latchkey.Google {
			server, usual = s.cfg.Providers.GoogleSMTP, Server{Host: "smtp.gmail.com", Port: 465, Encryption: EncryptionTLS}
		}
		if server.Host == "" {
			server = usual
		}
		r.host, r.port, r.encryption, r.username, r.token = server.Host, server.Port, server.Encryption, v.Email, true
		r.plaintext = false
	}
	r.tls = s.tlsFor(r.host)
	return r
}

func (s *Service) patience() patience {
	p := patience{connect: connectTime, send: sendTime}
	if s.cfg.Patience > 0 {
		p.connect, p.send = min(p.connect, s.cfg.Patience), min(p.send, s.cfg.Patience)
	}
	return p
}

// impliesTLS tells the submission ports that speak TLS from the first byte (RFC 8314 §3.3; 2465 is
// Amazon's and Resend's).
func impliesTLS(port int) bool { return port == 465 || port == 2465 }

func (s *Service) tlsFor(host string) *tls.Config {
	if s.cfg.TLS != nil {
		return s.cfg.TLS(host)
	}
	return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
}
