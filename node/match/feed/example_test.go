package feed_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"vigil/ledger/alert"
	"vigil/node/match"
	"vigil/node/match/feed"
)

// A platform follows its agency's node and matches what is uploaded in its own process.
func Example() {
	// In place of a node: one alert, the end of the page, and a page that is empty.
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"op":"add","cursor":"c","number":7,"signals":[{"alg":"pdq","value":"`+hex.EncodeToString(make([]byte, 32))+`"}]}
{"op":"next","cursor":"c"}
{"op":"next","cursor":"c"}
`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer node.Close()
	dir, err := os.MkdirTemp("", "feed")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	f, err := feed.Open(feed.Config{
		Client: node.Client(), URL: node.URL, Token: "vt_…", // of the role platform
		Path: filepath.Join(dir, "index"), Key: [32]byte{1}, // from where the platform keeps its secrets
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	for deadline, look := time.After(10*time.Second), time.Tick(time.Millisecond); !f.InStep(); {
		select {
		case <-deadline:
			log.Fatal("not in step")
		case <-look:
		}
	}

	uploaded := make([]byte, 32)
	uploaded[0] = 0b111 // three bits off
	a, err := f.Index().Find(match.Query{Signal: alert.Signal{Algorithm: alert.PDQ, Value: uploaded}})
	if err != nil {
		log.Fatal(err)
	}
	for _, h := range a.Hits {
		fmt.Println("alert", h.Ref, "is", h.Distance, "bits away")
	}
	stop()
	fmt.Println(<-ended)
	// Output:
	// alert 7 is 3 bits away
	// <nil>
}
