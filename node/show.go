package node

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"vigil/ledger"
)

// showAct gives an act of governance its shape for readers: names as they are in the formats, bytes as text.
func showAct(act any) any {
	name := strings.TrimPrefix(fmt.Sprintf("%T", act), "*ledger.")
	return map[string]any{"act": name, "content": plain(reflect.ValueOf(act))}
}

// plain turns a value of the ledger's formats into what JSON shows well: ids as their own text, other bytes as hex where
// they are short and as base64 where they are long.
func plain(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		return plain(v.Elem())
	}
	if c, ok := v.Interface().(ledger.Change); ok {
		return showChange(c)
	}
	switch v.Kind() {
	case reflect.Array, reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			out := []any{}
			for i := range v.Len() {
				out = append(out, plain(v.Index(i)))
			}
			return out
		}
		return bytesText(v)
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				out[snake(f.Name)] = plain(v.Field(i))
			}
		}
		return out
	}
	return v.Interface()
}

func showChange(c ledger.Change) any {
	change, err := c.Open()
	if err != nil {
		return map[string]any{"name": c.Name, "note": "a change that this binary does not know"}
	}
	return map[string]any{"name": c.Name, "content": plain(reflect.ValueOf(change))}
}

const shortBytes = 64

func bytesText(v reflect.Value) string {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	b := make([]byte, v.Len())
	reflect.Copy(reflect.ValueOf(b), v)
	if len(b) <= shortBytes {
		return hex.EncodeToString(b)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// snake writes AuthoredAt as authored_at.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 && !unicode.IsUpper(rune(name[i-1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
