package board

const (
	batchRows    = 20_000 // rows folded in one transaction
	batchEntries = 1_024
	maxPage      = 500
	defaultPage  = 50
	maxChanges   = 1_000
	maxTextBytes = 256
	minPrefix    = 8
	readers      = 4
)
