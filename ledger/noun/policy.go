package noun

import "vigil/ledger"

// Section is a noun's part of a jurisdiction's policy. P is a pointer to its struct, a CBOR array with JSON names.
type Section[P interface{ Validate() error }] struct {
	Name    string
	Default func() P // a fresh one, in force where the jurisdiction has agreed on nothing
	Fresh   func() P // an empty one
}

// In returns the section in force: the policy's own, or the default where it has none or one this binary cannot read.
// known is false in the last case.
func (s Section[P]) In(p ledger.Policy) (section P, known bool) {
	body := p.Section(s.Name)
	if body == nil {
		return s.Default(), true
	}
	section, err := s.Decode(body)
	if err != nil {
		return s.Default(), false
	}
	return section, true
}

// Decode reads what Encode writes.
func (s Section[P]) Decode(body []byte) (P, error) {
	section := s.Fresh()
	if err := ledger.Unmarshal(body, section, maxRowBytes); err != nil {
		return section, err
	}
	return section, section.Validate()
}

// Encode returns the section's bytes, or why it has none.
func (s Section[P]) Encode(section P) ([]byte, error) {
	if err := section.Validate(); err != nil {
		return nil, err
	}
	return ledger.Marshal(section), nil
}
