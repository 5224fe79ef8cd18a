package console

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

func TestExplainIsAskedForOneRow(t *testing.T) {
	var asked []string
	s := newServer(t, Options{Explain: func(_ context.Context, kind, key, source string) (int, any) {
		asked = append(asked, kind+" "+key+" "+source)
		if key == "none" {
			return http.StatusNotFound, map[string]string{"error": "not here"}
		}
		return http.StatusOK, map[string]string{"ref": "5f0c"}
	}})
	get(t, s, "/explain?document=id%3D1%2Cpart%3D2&source=okmany").wants(t, 200, `"ref": "5f0c"`)
	get(t, s, "/explain?registration=none").wants(t, 404, "not here")
	for _, bad := range []string{"/explain", "/explain?document=", "/explain?document=1&registration=2"} {
		get(t, s, bad).wants(t, 400, "name one row")
	}
	if got := strings.Join(asked, "|"); got != "document id=1,part=2 okmany|registration none " {
		t.Error(got)
	}
}

// TestExplainIsForNoOtherSite: neither a page of another origin nor one whose name points here gets an answer.
func TestExplainIsForNoOtherSite(t *testing.T) {
	s := newServer(t, Options{Explain: func(context.Context, string, string, string) (int, any) { t.Error("answered"); return 200, nil }})
	request(t, "GET", s, "/explain?document=1", "evil.example").wants(t, 421)
	r, err := http.NewRequest("GET", "http://"+s.Addr()+"/explain?document=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if a.StatusCode != 403 || a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error(a.Status)
	}
	get(t, newServer(t, Options{}), "/explain?document=1").wants(t, 404)
}

// TestLogHoldsNoRowKey: not even of a look-up that fails.
func TestLogHoldsNoRowKey(t *testing.T) {
	var log bytes.Buffer
	s := newServer(t, Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Explain: func(_ context.Context, _, key, _ string) (int, any) { panic(key) }})
	get(t, s, "/explain?document=secret-key").wants(t, 500)
	if strings.Contains(log.String(), "secret") || !strings.Contains(log.String(), "/explain") {
		t.Errorf("the log holds: %s", log.String())
	}
}
