package alert

import "errors"

// Why a value is not acceptable. FieldError says where.
var (
	ErrUnknownName    = errors.New("not one of the known names")
	ErrUnknownValue   = errors.New("not one of the defined values")
	ErrValueLength    = errors.New("the value has not the length of its algorithm")
	ErrValueText      = errors.New("the value is neither hex nor base64 as its algorithm is written")
	ErrWorthless      = errors.New("the value stands for no content (an empty file, or one byte repeated)")
	ErrQuality        = errors.New("quality is 0 to 100, and only for algorithms that measure it")
	ErrTooLong        = errors.New("too long")
	ErrText           = errors.New("not clean text: UTF-8 without control characters or outer spaces")
	ErrCount          = errors.New("too few or too many")
	ErrNotSorted      = errors.New("not sorted, or the same twice")
	ErrRequired       = errors.New("is required")
	ErrSize           = errors.New("media size is absurd")
	ErrRedNeedsNames  = errors.New("TLP:RED is for named recipients: release it to agencies or named audiences, not to everyone")
	ErrColumns        = errors.New("every row of a list carries the same algorithms")
	ErrRepeatedRow    = errors.New("the same row twice in one list")
	ErrListTooLarge   = errors.New("the list is over its bound in bytes")
	ErrNotDeterminate = errors.New("not the one encoding of its value")
)

// Why an event cannot be read.
var (
	// ErrNewer marks an event of a type or version made after this binary: keep it, show it so, fold it after an upgrade.
	ErrNewer = errors.New("newer than this node")
	// ErrNotAlert marks an event of another noun.
	ErrNotAlert = errors.New("not an alert event")
	// ErrMalformed marks an event that claims to be version 1 and is not.
	ErrMalformed = errors.New("malformed alert event")
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
)

// FieldError names the field of a command or event that was refused. It never contains the field's value.
type FieldError struct {
	Field string // such as "signals[2].value"
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }

// at wraps an error with the field it is about; an inner field follows after a dot.
func at(field string, err error) error {
	if err == nil {
		return nil
	}
	if inner, ok := errors.AsType[*FieldError](err); ok {
		return &FieldError{Field: field + "." + inner.Field, Err: inner.Err}
	}
	return &FieldError{Field: field, Err: err}
}

// first returns the first error of checks made in order.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
