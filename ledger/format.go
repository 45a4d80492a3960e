//go:build !vigil_next

package ledger

// StateFormat is the highest format of State that this binary folds. What a higher one brings, such as a new act, has effect
// only where governance has raised the ledger's format to it, so that binaries of both kinds agree until then.
const StateFormat = FormatVoters
