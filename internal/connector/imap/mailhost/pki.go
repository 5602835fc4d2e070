package mailhost

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// pki is a certificate authority with two certificates: the right one and a wrong one.
type pki struct {
	caPEM        []byte
	right, wrong tls.Certificate
}

// newPKI makes an authority, and certificates for loopback and the given names.
func newPKI(now time.Time, names []string) (*pki, error) {
	ca, caKey, err := newAuthority(now)
	if err != nil {
		return nil, err
	}
	p := &pki{caPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})}
	leaf := x509.Certificate{
		Subject:  pkix.Name{CommonName: "Sample mail host"},
		DNSNames: append([]string{"localhost"}, names...), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if p.right, err = issue(now, ca, caKey, &leaf); err != nil {
		return nil, err
	}
	other := x509.Certificate{Subject: pkix.Name{CommonName: "Somebody else"}, DNSNames: []string{"somebody-else.test"}}
	if p.wrong, err = issue(now, ca, caKey, &other); err != nil {
		return nil, err
	}
	return p, nil
}

func newAuthority(now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("mailhost: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Sample mail host authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(90 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, nil, fmt.Errorf("mailhost: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

func issue(now time.Time, ca *x509.Certificate, caKey *ecdsa.PrivateKey, t *x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("mailhost: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("mailhost: %w", err)
	}
	t.SerialNumber = serial
	t.NotBefore, t.NotAfter = now.Add(-time.Hour), now.Add(30*24*time.Hour)
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, ca, key.Public(), caKey)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("mailhost: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func (p *pki) config(wrong bool) *tls.Config {
	cert := p.right
	if wrong {
		cert = p.wrong
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
}

// ServerTLS is the host's own configuration, for whoever serves its names over HTTPS.
func (h *Host) ServerTLS() *tls.Config { return h.pki.config(false) }

// Certificate makes an authority and a certificate of it for loopback and the names, for another
// server on this machine; all in PEM.
func Certificate(now time.Time, names ...string) (ca, cert, key []byte, err error) {
	p, err := newPKI(now, names)
	if err != nil {
		return nil, nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(p.right.PrivateKey)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("mailhost: %w", err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.right.Certificate[0]})
	return p.caPEM, cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
