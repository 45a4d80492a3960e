package alert

import (
	"strings"

	"vigil/ledger/noun"
)

// nameOf and numberOf translate a stored number to its public name and back; an unused number has the name "".
func nameOf[T ~uint8](names []string, v T) string {
	if int(v) >= len(names) || names[v] == "" {
		return "undefined"
	}
	return names[v]
}

func numberOf[T ~uint8](names []string, s string) (T, error) {
	for i, name := range names {
		if name != "" && strings.EqualFold(name, s) {
			return T(i), nil
		}
	}
	return 0, noun.ErrUnknownName
}

func defined[T ~uint8](names []string, v T) error {
	if v == 0 && names[0] == "" {
		return noun.ErrRequired
	}
	if int(v) >= len(names) || names[v] == "" {
		return noun.ErrUnknownValue
	}
	return nil
}

func setName[T ~uint8](names []string, v *T, text []byte) error {
	n, err := numberOf[T](names, string(text))
	if err == nil {
		*v = n
	}
	return err
}
