package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"time"
)

// serverTLS returns the HTTPS configuration and the SHA-256 of the certificate: the configured one, or one of the node's
// own. The own one is made anew from the node key at every start, so that its pin stays the same and no key is on disk.
func (n *Node) serverTLS() (*tls.Config, string, error) {
	var c tls.Certificate
	var err error
	if n.cfg.API.Certificate != "" {
		c, err = tls.LoadX509KeyPair(n.cfg.API.Certificate, n.cfg.API.Key)
	} else {
		c, err = n.ownCertificate()
	}
	if err != nil {
		return nil, "", fmt.Errorf("api certificate: %w", err)
	}
	pin := sha256.Sum256(c.Certificate[0])
	return &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"}}, hex.EncodeToString(pin[:]), nil
}

func (n *Node) ownCertificate() (tls.Certificate, error) {
	seed := n.keys.Node.Derive("vigil api certificate v1")
	d := new(big.Int).SetBytes(seed[:])
	curve := elliptic.P256()
	d.Mod(d, new(big.Int).Sub(curve.Params().N, big.NewInt(1)))
	d.Add(d, big.NewInt(1))
	scalar := make([]byte, 32)
	d.FillBytes(scalar)
	key, err := ecdsa.ParseRawPrivateKey(curve, scalar)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: string(n.id.Agency)}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:   time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key) // no randomness: the same bytes at every start
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
