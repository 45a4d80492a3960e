package alert

import "strings"

// SplitFiles groups files into lists that NewListed accepts: same algorithms within a group, and the bounds on rows
// and bytes kept. It returns indices into files, groups in order of first appearance. A file that carries an
// algorithm twice fits no list and is returned in alone: raise it by itself.
func SplitFiles(files []File) (groups [][]int, alone []int) {
	open := map[string]int{} // algorithms → its group that still has room
	for i, f := range files {
		shape, ok := shapeOf(f)
		if !ok {
			alone = append(alone, i)
			continue
		}
		g, found := open[shape]
		if !found || len(groups[g]) == rowsThatFit(f) {
			g = len(groups)
			groups, open[shape] = append(groups, nil), g
		}
		groups[g] = append(groups[g], i)
	}
	return groups, alone
}

func shapeOf(f File) (string, bool) {
	var shape strings.Builder
	for i, s := range f.Signals {
		if i > 0 && f.Signals[i-1].Algorithm >= s.Algorithm {
			return "", false
		}
		shape.WriteByte(byte(s.Algorithm))
	}
	return shape.String(), shape.Len() > 0 && shape.Len() <= maxColumns
}

// rowsThatFit counts on a quality for every value and a size, so that what later files state does not matter.
func rowsThatFit(f File) int {
	width := sizeBytes
	for _, s := range f.Signals {
		width += max(s.Algorithm.Length(), 1) + qualityBytes
	}
	return min(MaxRows, MaxListBytes/width)
}
