//go:build vigil_next

package ledger

// StateFormat of the binary after this one, for clusters of both. It brings nothing yet.
const StateFormat = FormatVoters + 1
