package terminal

import (
	"io"
	"strings"
)

// Columns is out, or where that is a terminal a writer of tables as kubectl prints them: of every column but the last a cell takes a
// quarter of the width at most, and the last column what is left. The first line is the table's head.
func Columns(out io.Writer) io.Writer {
	var starts []int
	return fitting(out, func(line string, width int) string {
		if starts == nil {
			starts = startsOf(line)
		}
		return fitRow(line, starts, width)
	})
}

// gap is how many blanks kubectl has between columns at least; here it is one less.
const gap = 3

// startsOf are the columns at which the words of a table's head begin.
func startsOf(head string) []int {
	var starts []int
	blanks := gap
	for i, r := range []rune(head) {
		if r == ' ' {
			blanks++
			continue
		}
		if blanks >= gap {
			starts = append(starts, i)
		}
		blanks = 0
	}
	return starts
}

// fitRow is one line of the table, no wider than width.
func fitRow(line string, starts []int, width int) string {
	runes := []rune(line)
	var out strings.Builder
	for i, start := range starts {
		if start >= len(runes) {
			break
		}
		if i == len(starts)-1 {
			out.WriteString(string(runes[start:]))
			break
		}
		cell := strings.TrimRight(string(runes[start:min(starts[i+1], len(runes))]), " ")
		column := min(starts[i+1]-start-gap, width/4)
		cell = cutHard(cell, column)
		out.WriteString(cell + strings.Repeat(" ", max(column-Len(cell), 0)+gap-1))
	}
	return Cut(strings.TrimRight(out.String(), " "), width)
}

// cutHard is Cut for what is no sentence.
func cutHard(cell string, width int) string {
	if Len(cell) <= width {
		return cell
	}
	return string([]rune(cell)[:max(width-1, 0)]) + "…"
}
