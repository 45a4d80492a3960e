package ledger

// The formats of State, and what each brought.
const (
	// FormatVoters lets a voter be swapped, no policy name two voters of more than two agencies, and a ledger continue another.
	FormatVoters = 2
)
