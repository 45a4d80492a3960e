package node

import (
	"bytes"
	"testing"
)

// FuzzBackupHeader: whatever stands at the beginning of a file, what is taken for a header is exactly what would be written.
func FuzzBackupHeader(f *testing.F) {
	f.Add(BackupHeader{Version: backupVersion, ID: "00", Agency: "in/a", Origin: "in/q", Entries: 3, Base: "ab", From: 2}.encode())
	f.Add([]byte("{\"vigil_backup\":1}\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, raw, err := readBackupHeader(bytes.NewReader(b))
		if err != nil {
			return
		}
		if len(raw) > maxBackupHead || !bytes.HasPrefix(b, raw) || !bytes.Equal(h.encode(), raw) {
			t.Errorf("%q is taken for %q", b, raw)
		}
	})
}
