package settings

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"latchkey/internal/connector/login"
)

const (
	// maxDocument is what a document may weigh: the biggest of the ISPDB weighs 8 KB.
	maxDocument = 128 << 10
	// maxPerSource bounds how many servers one source can make us knock at.
	maxPerSource = 4
	// maxElements and maxDepth bound what a document can make the parser do.
	maxElements = 4000
	maxDepth    = 32
)

var errDocument = errors.New("settings: not a configuration document")

// clientConfig is a Thunderbird autoconfiguration document, the parts we use.
type clientConfig struct {
	XMLName  xml.Name `xml:"clientConfig"`
	Provider struct {
		Incoming []configServer `xml:"incomingServer"`
		Outgoing []configServer `xml:"outgoingServer"`
	} `xml:"emailProvider"`
}

type configServer struct {
	Type           string   `xml:"type,attr"`
	Hostname       string   `xml:"hostname"`
	Port           string   `xml:"port"`
	SocketType     string   `xml:"socketType"`
	Username       string   `xml:"username"`
	Authentication []string `xml:"authentication"`
}

// parseAutoconfig reads a document into candidates, in the document's order, TLS before STARTTLS.
func parseAutoconfig(doc []byte, a Address, source Source, rank int) ([]candidate, error) {
	var c clientConfig
	if err := decode(doc, &c); err != nil {
		return nil, err
	}
	var out []candidate
	add := func(p login.Protocol, kind string, list []configServer) {
		kept := 0
		for _, s := range list {
			if !strings.EqualFold(strings.TrimSpace(s.Type), kind) || kept >= maxPerSource {
				continue
			}
			if cand, ok := s.candidate(p, a); ok {
				cand.source = source
				// All with TLS first: an entry for STARTTLS listed before it is not a preference we share.
				cand.rank = rank + encryptionRank(cand.server.Encryption)*20 + kept
				out = append(out, cand)
				kept++
			}
		}
	}
	add(login.IMAP, "imap", c.Provider.Incoming)
	add(login.SMTP, "smtp", c.Provider.Outgoing)
	return out, nil
}

func (s configServer) candidate(p login.Protocol, a Address) (candidate, bool) {
	port, err := strconv.Atoi(strings.TrimSpace(s.Port))
	if err != nil || !s.takesPasswords() {
		return candidate{}, false
	}
	var e login.Encryption
	switch strings.ToUpper(strings.TrimSpace(s.SocketType)) {
	case "SSL", "TLS":
		e = login.TLS
	case "STARTTLS":
		e = login.STARTTLS
	default: // "plain" is never offered: who wants it types it, and the operator has to allow it
		return candidate{}, false
	}
	name := strings.TrimSpace(s.Hostname)
	host, ok := usable(expand(name, a), port)
	if !ok {
		return candidate{}, false
	}
	user, personal := loginTemplate(s.Username, a)
	return candidate{
		protocol: p, server: login.Server{Host: host, Port: port, Encryption: e}, user: user,
		personal: personal || strings.Contains(name, "%EMAILLOCALPART%") || strings.Contains(name, "%EMAILADDRESS%"),
	}, true
}

// takesPasswords tells whether a server takes a password: one that lists OAuth2 or a client
// certificate alone does not.
func (s configServer) takesPasswords() bool {
	if len(s.Authentication) == 0 {
		return true
	}
	for _, m := range s.Authentication {
		switch strings.ToLower(strings.TrimSpace(m)) {
		case "password-cleartext", "plain", "password-encrypted", "secure":
			return true
		}
	}
	return false
}

// autodiscover is an answer of Autodiscover in its old form (MS-OXDSCLI, POX), the parts we use.
type autodiscover struct {
	XMLName  xml.Name `xml:"Autodiscover"`
	Response struct {
		Account struct {
			Protocol []struct {
				Type       string `xml:"Type"`
				Server     string `xml:"Server"`
				Port       string `xml:"Port"`
				SSL        string `xml:"SSL"`
				Encryption string `xml:"Encryption"`
				LoginName  string `xml:"LoginName"`
			} `xml:"Protocol"`
		} `xml:"Account"`
	} `xml:"Response"`
}

// parseAutodiscover reads an answer into candidates.
func parseAutodiscover(doc []byte, a Address) ([]candidate, error) {
	var d autodiscover
	if err := decode(doc, &d); err != nil {
		return nil, err
	}
	var out []candidate
	for _, p := range d.Response.Account.Protocol {
		proto := login.Protocol(strings.ToLower(strings.TrimSpace(p.Type)))
		port, err := strconv.Atoi(strings.TrimSpace(p.Port))
		if err != nil || (proto != login.IMAP && proto != login.SMTP) || len(out) >= 2*maxPerSource {
			continue
		}
		host, ok := usable(p.Server, port)
		if !ok {
			continue
		}
		e := autodiscoverEncryption(p.SSL, p.Encryption, port)
		user, personal := loginTemplate(p.LoginName, a)
		out = append(out, candidate{
			protocol: proto, server: login.Server{Host: host, Port: port, Encryption: e}, user: user, personal: personal,
			source: FromAutodiscover, rank: rankAutodiscover + encryptionRank(e),
		})
	}
	return out, nil
}

// autodiscoverEncryption: Encryption wins over SSL, which is on unless said otherwise. Where neither
// asks for it we ask for STARTTLS all the same.
func autodiscoverEncryption(ssl, encryption string, port int) login.Encryption {
	switch strings.ToLower(strings.TrimSpace(encryption)) {
	case "ssl":
		return login.TLS
	case "tls":
		return login.STARTTLS
	}
	if usual := login.UsualEncryption(port); usual != login.Auto {
		return usual
	}
	if strings.EqualFold(strings.TrimSpace(ssl), "off") {
		return login.STARTTLS
	}
	return login.TLS
}

// decode reads a document from a stranger: bounded in weight, elements and depth, in UTF-8 or Latin-1.
// encoding/xml expands no entities but the five of XML, and fetches nothing.
func decode(doc []byte, into any) error {
	if len(doc) > maxDocument {
		return errDocument
	}
	if err := inspect(doc); err != nil {
		return err
	}
	d := newDecoder(doc)
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", errDocument, err)
	}
	return nil
}

func inspect(doc []byte) error {
	d := newDecoder(doc)
	depth, elements := 0, 0
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errDocument, err)
		}
		switch tok.(type) {
		case xml.StartElement:
			depth++
			elements++
		case xml.EndElement:
			depth--
		}
		if depth > maxDepth || elements > maxElements {
			return errDocument
		}
	}
}

func newDecoder(doc []byte) *xml.Decoder {
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "utf-8", "us-ascii", "ascii":
			return in, nil
		case "iso-8859-1", "latin1", "windows-1252":
			return &latin1{in: in}, nil
		}
		return nil, errDocument
	}
	return d
}

// latin1 turns ISO 8859-1 into UTF-8.
type latin1 struct {
	in   io.Reader
	rest []byte
}

func (l *latin1) Read(b []byte) (int, error) {
	if len(l.rest) == 0 {
		var raw [512]byte
		n, err := l.in.Read(raw[:])
		if n == 0 {
			return 0, err
		}
		var out bytes.Buffer
		for _, c := range raw[:n] {
			out.WriteRune(rune(c))
		}
		l.rest = out.Bytes()
	}
	n := copy(b, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}
