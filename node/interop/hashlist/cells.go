package hashlist

import "strings"

// splitCells splits one line of CSV (RFC 4180 with any separator). False: a quote is left open or misplaced.
func splitCells(line string, separator byte) ([]string, bool) {
	var cells []string
	for {
		cell, rest, ok := firstCell(line, separator)
		if !ok {
			return nil, false
		}
		cells = append(cells, cell)
		if rest == "" {
			return cells, true
		}
		line = rest[1:]
	}
}

// firstCell returns the first cell and what follows it, beginning with the separator.
func firstCell(line string, separator byte) (cell, rest string, ok bool) {
	if !strings.HasPrefix(line, `"`) {
		if end := strings.IndexByte(line, separator); end >= 0 {
			return line[:end], line[end:], true
		}
		return line, "", true
	}
	var b strings.Builder
	for line = line[1:]; ; {
		end := strings.IndexByte(line, '"')
		if end < 0 {
			return "", "", false
		}
		b.WriteString(line[:end])
		line = line[end+1:]
		if !strings.HasPrefix(line, `"`) {
			break
		}
		b.WriteByte('"')
		line = line[1:]
	}
	if line != "" && line[0] != separator {
		return "", "", false
	}
	return b.String(), line, true
}

// quoteCell writes a cell so that no spreadsheet takes it for a formula and no reader for two cells.
func quoteCell(cell string, separator byte) string {
	cell = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(cell)
	if cell != "" && strings.ContainsRune("=+-@\t", rune(cell[0])) {
		cell = "'" + cell
	}
	if strings.ContainsAny(cell, `"`+string(separator)) || strings.HasPrefix(cell, "'") {
		return `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
	}
	return cell
}

// plainCell takes back what quoteCell did against formulas.
func plainCell(cell string) string {
	cell = strings.TrimSpace(cell)
	if len(cell) > 1 && cell[0] == '\'' && strings.ContainsRune("=+-@\t", rune(cell[1])) {
		return cell[1:]
	}
	return cell
}
