package account

import (
	"crypto/sha256"
	"strings"
)

// HashCode returns what is kept of an enrolment code. Case and the dashes that people type or leave out do not matter.
func HashCode(code string) [32]byte {
	return sha256.Sum256([]byte(strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))))
}
