package node

import (
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Setting is one key of the configuration with the value in force and where it comes from.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

// ExplainConfig returns every key with its value and origin: the file, or the default. An empty path is no file.
func ExplainConfig(path string) ([]Setting, error) {
	c := DefaultConfig("/var/lib/vigil")
	set := map[string]any{}
	if path != "" {
		var err error
		if c, err = LoadConfig(path); err != nil {
			return nil, err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := toml.Unmarshal(b, &set); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	return explain(reflect.ValueOf(c), "", set, path), nil
}

func explain(v reflect.Value, prefix string, set map[string]any, path string) []Setting {
	var out []Setting
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		key := v.Type().Field(i).Tag.Get("toml")
		value, given := set[key]
		if v.Field(i).Kind() == reflect.Struct {
			section, _ := value.(map[string]any)
			out = append(out, explain(v.Field(i), prefix+key+".", section, path)...)
			continue
		}
		from := "default"
		if given {
			from = path
		}
		text := fmt.Sprint(v.Field(i).Interface())
		if list, ok := v.Field(i).Interface().([]string); ok {
			text = strings.Join(list, " ")
		}
		out = append(out, Setting{Key: prefix + key, Value: text, Origin: from})
	}
	return out
}
