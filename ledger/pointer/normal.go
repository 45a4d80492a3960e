package pointer

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vigil/ledger/noun"
)

// Kind is what a pointer is.
type Kind string

// The kinds.
const (
	Account Kind = "account" // service:name, as instagram:some.body
	Email   Kind = "email"
	Phone   Kind = "phone"  // E.164
	Device  Kind = "device" // IMEI of 15 digits, or a MAC address
	Wallet  Kind = "wallet"
	Address Kind = "ip" // address@time: the hour of UTC counts
)

// Kinds are all of them.
var Kinds = []Kind{Account, Email, Phone, Device, Wallet, Address}

// Why a value is no pointer.
var (
	ErrNotNormal = errors.New("not in its normal form")
	ErrTooShort  = errors.New("too short to be blinded safely: whoever guesses would find it")
	ErrAccount   = errors.New("an account is service:name, such as instagram:some.body")
	ErrEmail     = errors.New("an e-mail address is name@domain")
	ErrPhone     = errors.New("a telephone number is + and 8 to 15 digits, with the country's: +91…")
	ErrDevice    = errors.New("a device is an IMEI of 15 digits whose check digit holds, or a MAC address")
	ErrWallet    = errors.New("a wallet is its address, 26 to 128 letters and digits")
	ErrAddress   = errors.New("an IP address stands with its time: 203.0.113.7@2026-11-26T10:00:00Z")
)

const maxValueBytes = 320

// Normal returns the one form in which two agencies write the same pointer: what differs only in ways that do not tell
// people apart becomes equal. Values that can be guessed outright are refused.
func Normal(kind Kind, value string) (string, error) {
	if len(value) > maxValueBytes {
		return "", noun.ErrTooLong
	}
	value = strings.TrimSpace(norm.NFKC.String(value))
	if value == "" {
		return "", noun.ErrRequired
	}
	if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
		return "", noun.ErrText
	}
	switch kind {
	case Account:
		return account(value)
	case Email:
		return email(value)
	case Phone:
		return phone(value)
	case Device:
		return device(value)
	case Wallet:
		return wallet(value)
	case Address:
		return address(value)
	}
	return "", noun.ErrUnknownName
}

func fold(s string) string { return norm.NFKC.String(noun.Fold(s)) }

func account(s string) (string, error) {
	service, name, ok := strings.Cut(fold(s), ":")
	service, name = strings.TrimSpace(service), strings.TrimPrefix(strings.TrimSpace(name), "@")
	if !ok || service == "" || strings.ContainsFunc(service+name, unicode.IsSpace) {
		return "", ErrAccount
	}
	if len([]rune(name)) < 4 {
		return "", ErrTooShort
	}
	return service + ":" + name, nil
}

func email(s string) (string, error) {
	name, domain, ok := strings.Cut(fold(s), "@")
	domain = strings.TrimSuffix(domain, ".")
	if !ok || name == "" || !strings.Contains(domain, ".") || strings.ContainsFunc(name+domain, func(r rune) bool { return unicode.IsSpace(r) || r == '@' }) {
		return "", ErrEmail
	}
	return name + "@" + domain, nil
}

func without(s, separators string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(separators, r) {
			return -1
		}
		return r
	}, s)
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func phone(s string) (string, error) {
	number, ok := strings.CutPrefix(without(s, " -().\u00a0"), "+")
	if !ok || !digits(number) || len(number) > 15 || number[0] == '0' {
		return "", ErrPhone
	}
	if len(number) < 8 {
		return "", ErrTooShort
	}
	return "+" + number, nil
}

func device(s string) (string, error) {
	bare := strings.ToLower(without(s, " -:."))
	switch {
	case len(bare) == 15 && digits(bare) && luhn(bare):
		return bare, nil
	case len(bare) == 12 && strings.Trim(bare, "0123456789abcdef") == "":
		return bare, nil
	}
	return "", ErrDevice
}

// luhn checks the check digit of an IMEI.
func luhn(s string) bool {
	sum := 0
	for i, c := range []byte(s) {
		d := int(c - '0')
		if (len(s)-i)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// wallet keeps the case, which counts in base58; the two forms in which it does not are written in lower case.
func wallet(s string) (string, error) {
	if len(s) < 26 || len(s) > 128 || strings.ContainsFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != ':'
	}) {
		return "", ErrWallet
	}
	lower := strings.ToLower(s)
	if hex, ok := strings.CutPrefix(lower, "0x"); ok && strings.Trim(hex, "0123456789abcdef") == "" {
		return lower, nil
	}
	if slices.ContainsFunc([]string{"bc1", "tb1", "ltc1", "addr1"}, func(p string) bool { return strings.HasPrefix(lower, p) }) {
		return lower, nil
	}
	return s, nil
}

func address(s string) (string, error) {
	ip, at, ok := strings.Cut(s, "@")
	if !ok {
		return "", ErrAddress
	}
	a, err := netip.ParseAddr(ip)
	t, err2 := time.Parse(time.RFC3339, strings.ToUpper(at))
	if err != nil || err2 != nil || a.Zone() != "" {
		return "", ErrAddress
	}
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return "", fmt.Errorf("%w, and a public one", ErrAddress)
	}
	if a.Is6() {
		a = netip.PrefixFrom(a, 64).Masked().Addr() // a subscriber has the network, not one address
	}
	return a.String() + "@" + t.UTC().Truncate(time.Hour).Format(time.RFC3339), nil
}
