package ledger

// The formats of State, and what each brought.
const (
	// FormatVoters lets a voter be swapped, and no policy name two voters of more than two agencies.
	FormatVoters = 2
)
