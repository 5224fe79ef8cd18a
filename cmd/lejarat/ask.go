package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lejarat/cmd/lejarat/config"
	"lejarat/processor"
	told "lejarat/processor/story"
)

const (
	// askTimeout is how long an instance may take: what it has to do takes milliseconds.
	askTimeout = 5 * time.Second
	// maxAnswerBytes bounds an answer.
	maxAnswerBytes = 16 << 20
)

// answer is what the processor's port says of a row.
func answer(cfg *config.Config, engine *processor.Engine, log *slog.Logger) func(ctx context.Context, kind, key, source string) (int, any) {
	return func(ctx context.Context, kind, key, source string) (int, any) {
		f := explainFlags{source: source, document: key}
		if kind == told.Registration {
			f.document, f.registration = "", key
		}
		failed := func(status int, err error) (int, any) { return status, map[string]string{"error": err.Error()} }
		q, err := question(cfg, &f)
		if err != nil {
			return failed(http.StatusBadRequest, err)
		}
		s, err := engine.Explain(ctx, q)
		audit(log, q, s, told.FromInstance, err)
		switch {
		case errors.Is(err, processor.ErrNotHere):
			return failed(http.StatusNotFound, err)
		case err != nil:
			log.Error("explain failed", "error", err)
			return failed(http.StatusInternalServerError, errors.New("the instance's stores could not be read; its log says why"))
		}
		return http.StatusOK, s
	}
}

// ask asks a running instance of this service. Without a story why says why there is none, "" where nobody was asked.
func ask(ctx context.Context, cfg *config.Config, f *explainFlags) (s *told.Story, why string, err error) {
	address, err := instanceAddress(cfg, f)
	if err != nil || address == "" {
		return nil, "", err
	}
	query := url.Values{}
	for name, value := range map[string]string{told.Document: f.document, told.Registration: f.registration, "source": f.source} {
		if value != "" {
			query.Set(name, value)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/explain?"+query.Encode(), nil)
	if err != nil {
		return nil, "", usage("--instance: not an address like http://127.0.0.1:8080")
	}
	// No proxy and no redirect: the key goes to the instance and to nobody else.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := client.Do(r)
	if err != nil {
		return nil, "no instance answers at " + address, nil // not the error, which quotes the key
	}
	defer a.Body.Close()
	body, err := io.ReadAll(io.LimitReader(a.Body, maxAnswerBytes))
	s = &told.Story{}
	switch {
	case a.StatusCode == http.StatusNotFound:
		return nil, processor.ErrNotHere.Error(), nil
	case err != nil || a.StatusCode != http.StatusOK || json.Unmarshal(body, s) != nil:
		return nil, fmt.Sprintf("the instance at %s answers %s", address, a.Status), nil
	}
	_, ref, err := keys(cfg)
	if err != nil {
		return nil, "", usageError{err}
	}
	if s.Journal != processor.JournalTopic(cfg.Kafka.TopicPrefix, cfg.State.Generation) || s.ReferenceKey != ref.ID() {
		return nil, "the instance at " + address + " belongs to another service or generation", nil
	}
	return s, "", nil
}

// instanceAddress is where an instance may listen: --instance, else http.listen of this configuration.
func instanceAddress(cfg *config.Config, f *explainFlags) (string, error) {
	if f.instance != "" {
		u, err := url.Parse(f.instance)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return "", usage("--instance %q: want an address like http://127.0.0.1:8080", f.instance)
		}
		return strings.TrimSuffix(f.instance, "/"), nil
	}
	host, port, err := net.SplitHostPort(cfg.HTTP.Listen)
	if err != nil || port == "0" {
		return "", nil
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}
