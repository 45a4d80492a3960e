package console

import (
	_ "embed"
	"fmt"
	"html/template"
	"regexp"
	"strings"
)

//go:embed icons.svg
var iconFile string

var symbol = regexp.MustCompile(`<symbol id="([a-z0-9-]+)"[^>]*>(.*)</symbol>`)

// icons are the markup of every icon by name, its shapes in place: an icon that refers to another document costs an old
// machine a copy of that document's part for each of a list's hundred icons, and the page one request more.
var icons = func() map[string]template.HTML {
	all := map[string]template.HTML{}
	for _, m := range symbol.FindAllStringSubmatch(iconFile, -1) {
		shapes := strings.ReplaceAll(strings.ReplaceAll(m[2], " />", "/>"), "> <", "><")
		all[m[1]] = template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">` + shapes + `</svg>`)
	}
	return all
}()

// icon returns the markup of an icon; a name that is not there is an error of ours.
func icon(name string) (template.HTML, error) {
	markup, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("no icon %q", name)
	}
	return markup, nil
}
