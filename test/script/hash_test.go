package script

import (
	"bytes"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"vigil/node/hashing/synthetic"
	"vigil/test/nodetest"
)

// TestAHashListBecomesAlerts: files hashed here, the list imported, and a file looked up by each of its hashes; PDQ keeps
// its quality on the way.
func TestAHashListBecomesAlerts(t *testing.T) {
	n := nodetest.Run(t, nodetest.Found(t))
	dir := t.TempDir()
	bin := nodetest.Built(t, nodetest.Vigil)
	target := n.Target(t, "analyst")
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(target.Token), 0o600); err != nil {
		t.Fatal(err)
	}
	vigil := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(bin, args...)
		cmd.Env = append(os.Environ(), "VIGIL_SERVER="+target.Server, "VIGIL_PIN="+target.Pin, "VIGIL_TOKEN_FILE="+token)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	list := filepath.Join(dir, "list.csv")
	if err := os.WriteFile(list, []byte(vigil("hash", "--list", "../../node/hashing/testdata/plain.jpg")), 0o600); err != nil {
		t.Fatal(err)
	}
	vigil("alert", "import", list, "--to", "in/*")
	cells := strings.Split(strings.Split(vigil("hash", "../../node/hashing/testdata/plain.jpg"), "\n")[1], "\t")
	for i, algorithm := range []string{"md5", "sha1", "sha256", "pdq"} {
		nodetest.Until(t, algorithm, func() bool {
			cmd := exec.Command(bin, "alert", "lookup", algorithm+":"+cells[i], "--json")
			cmd.Env = append(os.Environ(), "VIGIL_SERVER="+target.Server, "VIGIL_PIN="+target.Pin, "VIGIL_TOKEN_FILE="+token)
			out, err := cmd.Output()
			return err == nil && strings.Contains(string(out), cells[2]) && strings.Contains(string(out), `"quality": `+cells[4])
		})
	}
}

// drawImage is "image NAME WIDTH HEIGHT SEED": a harmless picture in the format of the name's end.
func drawImage(ts *testscript.TestScript, _ bool, args []string) {
	var size [3]int
	for i := range size {
		n, err := strconv.Atoi(args[i+1])
		ts.Check(err)
		size[i] = n
	}
	m := synthetic.Shapes(size[0], size[1], uint64(size[2]))
	var b bytes.Buffer
	switch filepath.Ext(args[0]) {
	case ".png":
		ts.Check(png.Encode(&b, m))
	case ".jpg":
		ts.Check(jpeg.Encode(&b, m, nil))
	case ".gif":
		ts.Check(gif.Encode(&b, m, nil))
	default:
		ts.Fatalf("%s: no format", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}
