package noun

import (
	"errors"
	"fmt"
	"strconv"
)

// Why a field is not acceptable. FieldError says which.
var (
	ErrUnknownName  = errors.New("not one of the known names")
	ErrUnknownValue = errors.New("not one of the defined values")
	ErrTooLong      = errors.New("too long")
	ErrText         = errors.New("not clean text: UTF-8 without control characters or outer spaces")
	ErrCount        = errors.New("too few or too many")
	ErrNotSorted    = errors.New("not sorted, or the same twice")
	ErrRequired     = errors.New("is required")
)

// FieldError names the field of a command or event that was refused. It never contains the field's value.
type FieldError struct {
	Field string // such as "signals[2].value"
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }

// At wraps an error with the field it is about; an inner field follows after a dot.
func At(field string, err error) error {
	if err == nil {
		return nil
	}
	if inner, ok := errors.AsType[*FieldError](err); ok {
		return &FieldError{Field: field + "." + inner.Field, Err: inner.Err}
	}
	return &FieldError{Field: field, Err: err}
}

// Item names element i of a list.
func Item(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// First returns the first error of checks made in order.
func First(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Refusal says why a well-formed command is not permitted as things stand: its text is for the one who asked.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return r.Why }

// Refuse makes a refusal.
func Refuse(format string, args ...any) error { return &Refusal{Why: fmt.Sprintf(format, args...)} }
