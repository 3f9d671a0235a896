package minik_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// What an afternoon has room for.
const (
	mostStops = 30
	mostLines = 3000
)

// TestReading checks that every stop of docs/reading.md exists, is numbered in order, and that all together can be read in an
// afternoon.
func TestReading(t *testing.T) {
	text, err := os.ReadFile("docs/reading.md")
	require.NoError(t, err)
	stops := regexp.MustCompile("(?m)^(\\d+)\\. `([^`]+\\.go)` `([^`]+)`").FindAllStringSubmatch(string(text), -1)
	numbered := regexp.MustCompile(`(?m)^\d+\. `).FindAllString(string(text), -1)
	require.Len(t, stops, len(numbered), "a stop names a file and a function: N. `file.go` `Type.function`")
	require.LessOrEqual(t, len(stops), mostStops)
	total := 0
	for i, stop := range stops {
		number, err := strconv.Atoi(stop[1])
		require.NoError(t, err)
		require.Equal(t, i+1, number)
		lines := functionLines(t, filepath.FromSlash(stop[2]), stop[3])
		require.NotZero(t, lines, "stop %d: %s has no function %s", number, stop[2], stop[3])
		total += lines
	}
	t.Logf("%d stops, %d lines", len(stops), total)
	require.LessOrEqual(t, total, mostLines)
}

// functionLines is how many lines the function has, its comment included; 0 where there is none of that name. A method is named
// with its type: "Server.chain".
func functionLines(t *testing.T, path, name string) int {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	require.NoError(t, err)
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || nameOf(f) != name {
			continue
		}
		from := f.Pos()
		if f.Doc != nil {
			from = f.Doc.Pos()
		}
		return files.Position(f.End()).Line - files.Position(from).Line + 1
	}
	return 0
}

func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	if named, ok := of.(*ast.Ident); ok {
		return named.Name + "." + f.Name.Name
	}
	return f.Name.Name
}
