package config

import (
	"bytes"
	"cmp"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the zone's rules come with the binary, for images that have none

	"lejarat/processor/event"
)

// check reports whatever the settings, each well-formed, say wrong.
func (c *Config) check(r *report) {
	c.checkKafka(r)
	c.checkState(r)
	c.checkIdentity(r)
	c.checkCalendar(r)
	c.checkPorts(r)
	c.checkDocuments(r)
	c.checkExtensions(r)
	c.checkSources(r)
	c.checkMail(r)
	c.checkLetters(r)
	c.checkSecretFiles(r)
	c.checkLimits(r)
	between(r, "announcements.spread_days", c.Announcements.SpreadDays, 0, 366)
	noBlanks(r, "pilot.registrations", c.Pilot.Registrations)
}

func (c *Config) checkState(r *report) {
	required(r, "state.dir", c.State.Dir, "name a directory for the local state")
	between(r, "state.generation", c.State.Generation, 1, 1_000_000)
	between(r, "state.cache", c.State.Cache, 8*MiB, 1024*GiB)
	between(r, "state.flush_every", c.State.FlushEvery, time.Second, time.Hour)
}

func (c *Config) checkIdentity(r *report) {
	i := c.Identity
	if i.key == nil {
		required(r, "identity.key_file", i.KeyFile, "name the file of the identity key, or give it in "+envIdentityKey)
	}
	if i.referenceKey == nil {
		required(r, "identity.reference_key_file", i.ReferenceKeyFile, "name the file of the reference key, or give it in "+envReferenceKey)
	}
	const same = "the two keys must differ: the identity key may be changed, the reference key never"
	if i.key == nil && i.referenceKey == nil && i.KeyFile == i.ReferenceKeyFile {
		r.fault("identity.reference_key_file", same)
	}
	if i.key != nil && bytes.Equal(i.key, i.referenceKey) {
		r.at(origin{variable: envReferenceKey}, envReferenceKey, same)
	}
}

func (c *Config) checkCalendar(r *report) {
	zone := c.Calendar.Timezone
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		r.fault("calendar.timezone", "%q is no time zone; write for example Europe/Budapest", zone)
	}
	noNever(r, "calendar.live_from", c.Calendar.LiveFrom)
	if c.Calendar.RunAt.Hour == 2 {
		r.fault("calendar.run_at", "%s is inside the clock change, where a time is missing or comes twice; choose one before 02:00 or from 03:00", c.Calendar.RunAt)
	}
}

func (c *Config) checkPorts(r *report) {
	if c.HTTP.Listen != "" && !isAddress(c.HTTP.Listen, true) {
		r.fault("http.listen", "%q is not host:port; write for example 127.0.0.1:8080", c.HTTP.Listen)
	}
	oneOf(r, "log.format", c.Log.Format, "text", "json")
	oneOf(r, "log.level", c.Log.Level, "debug", "info", "warn", "error")
}

func (c *Config) checkLimits(r *report) {
	l := c.Limits
	between(r, "limits.batch_records", l.BatchRecords, 1, 100_000)
	between(r, "limits.chunk_notices", l.ChunkNotices, 1, 100_000)
	between(r, "limits.chunk_entries", l.ChunkEntries, 1, 1_000_000)
	between(r, "limits.transaction_pause", l.TransactionPause, 0, 10*time.Second)
	between(r, "limits.watermark_every_loading", l.WatermarkEveryLoading, 10*time.Millisecond, time.Minute)
	between(r, "limits.watermark_every", l.WatermarkEvery, 10*time.Millisecond, 5*time.Minute)
	between(r, "limits.watermark_near_run", l.WatermarkNearRun, 10*time.Millisecond, time.Minute)
	between(r, "limits.poll_wait", l.PollWait, time.Millisecond, 10*time.Second)
	between(r, "limits.max_record_bytes", l.MaxRecordBytes, 16*KiB, MiB)
}

// The checks that settings share.

func required(r *report, path, value, todo string) {
	if strings.TrimSpace(value) == "" {
		r.fault(path, "missing; %s", todo)
	}
}

func oneOf(r *report, path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		r.fault(path, "%q is not known; write one of %s", value, strings.Join(allowed, ", "))
	}
}

func between[T cmp.Ordered](r *report, path string, value, least, most T) {
	if value < least || value > most {
		r.fault(path, "%s is out of range; choose from %s to %s", show(value), show(least), show(most))
	}
}

// noNever reports a date that must be one of the calendar.
func noNever(r *report, path string, d event.Date) {
	if d == event.NoExpiry {
		r.fault(path, "never is no date here; write for example 2026-12-01")
	}
}

func noBlanks(r *report, path string, values []string) {
	for i, v := range values {
		if strings.TrimSpace(v) == "" {
			r.fault(index(path, i), "an empty item; give it a value or remove it")
		}
	}
}

func noRepeats(r *report, path string, values []string) {
	for i, v := range values {
		if slices.Index(values, v) < i {
			r.fault(index(path, i), "%q stands twice in this list; keep one", v)
		}
	}
}

// isAddress says whether s is host:port; a server may listen on every host and on a port of the system's choice.
func isAddress(s string, listen bool) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" && !listen || strings.ContainsAny(host, " \t/@,") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && (n > 0 || listen)
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

func isTopic(s string) bool {
	return len(s) <= 249 && topicName.MatchString(s) && s != "." && s != ".."
}

var languageCode = regexp.MustCompile(`^[a-z]{2,3}$`)
