package alert

import "errors"

// Why a value is not acceptable, beside what package noun says of any noun's. noun.FieldError says where.
var (
	ErrValueLength    = errors.New("the value has not the length of its algorithm")
	ErrValueText      = errors.New("the value is neither hex nor base64 as its algorithm is written")
	ErrWorthless      = errors.New("the value stands for no content (an empty file, or one byte repeated)")
	ErrQuality        = errors.New("quality is 0 to 100, and only for algorithms that measure it")
	ErrSize           = errors.New("media size is absurd")
	ErrRedNeedsNames  = errors.New("TLP:RED is for named recipients: release it to agencies or named audiences, not to everyone")
	ErrColumns        = errors.New("every row of a list carries the same algorithms")
	ErrRepeatedRow    = errors.New("the same row twice in one list")
	ErrListTooLarge   = errors.New("the list is over its bound in bytes")
	ErrNotDeterminate = errors.New("not the one encoding of its value")
	ErrClass          = errors.New("a class is scheme:value, or scheme/context:value where the scheme needs a context")
	ErrNoContext      = errors.New("this scheme means the same everywhere: it takes no context")
	ErrDay            = errors.New("not a date such as 2026-01-31")
)

// Why an event or an id cannot be read.
var (
	// ErrNotAlert marks an event of another noun.
	ErrNotAlert = errors.New("not an alert event")
	// ErrID marks a text that is no alert id or no prefix of one.
	ErrID = errors.New("an alert id is al_<32 hex digits>, for a row of a list followed by .<row>")
)

// Why a command is refused.
var (
	ErrExists            = errors.New("an alert with this event id exists already")
	ErrUnknownAlert      = errors.New("no such alert, or it cannot be read here")
	ErrNoSuchRow         = errors.New("the alert has no such row")
	ErrOwnAlert          = errors.New("an agency does not assess its own alert: retract it, or raise another")
	ErrRetracted         = errors.New("the alert is retracted")
	ErrNotAuthor         = errors.New("only the agency that raised an alert retracts it; assess it as disputed instead")
	ErrAlreadyRetracted  = errors.New("already retracted")
	ErrAlreadyAssessed   = errors.New("this agency has already said so")
	ErrNothingToWithdraw = errors.New("this agency has no assessment to withdraw")
	ErrSameAlert         = errors.New("an alert is not linked with itself")
	ErrExerciseLink      = errors.New("an exercise is not linked with casework")
	ErrFuture            = errors.New("lies in the future")
	ErrReplacesItself    = errors.New("an alert does not stand in its own place")
	ErrReplacement       = errors.New("no alert that can be read here and stands has this id: raise the right one first, then correct")
)
