package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lejarat/processor/event"
)

// smallDisk is a mounted file system of a few megabytes, of which a ballast takes what the test says.
type smallDisk struct {
	t   *testing.T
	dir string
}

func mountSmallDisk(t *testing.T, size string) *smallDisk {
	t.Helper()
	d := &smallDisk{t: t, dir: t.TempDir()}
	switch err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, "size="+size); {
	case errors.Is(err, syscall.EPERM):
		t.Skip("may not mount a file system: run as root, with CAP_SYS_ADMIN; TestDisksGoWrong fills a disk that is made up")
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, 0); err != nil {
			t.Error(err)
		}
	})
	return d
}

// leave fills the disk but for so many bytes; free gives them back.
func (d *smallDisk) leave(bytes int64) {
	d.t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &fs); err != nil {
		d.t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(d.dir, "ballast"))
	if err == nil {
		_, err = f.Write(make([]byte, max(0, int64(fs.Bavail)*fs.Bsize-bytes)))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *smallDisk) free() {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.dir, "ballast")); err != nil {
		d.t.Fatal(err)
	}
}

// TestARealDiskFillsUp runs the program itself with its state on a file system that is full at the start, and on one that
// fills up in its first load. Both times it says so and what to do; with space again it goes on, by itself or started anew
// as systemd does, and the day's run owes what it owed.
func TestARealDiskFillsUp(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	disk := mountSmallDisk(t, "64m")
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	o := stageOptions{Seed: 1, People: 3000, Start: event.NewDate(2031, 1, 10), Churn: 3, Log: discard}
	s, err := openStage(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, err := s.snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	j, err := newJudge(ctx, s.k, s.cfg, s.intakeCore(1))
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	day := s.world.Day()
	expected, err := s.run(ctx, day)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.compare(ctx, day, expected); err != nil {
		t.Fatal(err)
	}
	if _, err := s.live(ctx); err != nil {
		t.Fatal(err)
	}
	s.halt() // from here on the program does it, which has to restore all of that
	day = s.world.Day()
	p := newProgram(t, s, o, filepath.Join(disk.dir, "state"))
	clock := []string{"--clock", day.At(6, 0, s.zone).Format(time.RFC3339)}

	began := time.Now()
	lap := func(what string) { t.Logf("%.1f s: %s", time.Since(began).Seconds(), what) }
	disk.leave(20 << 10)
	if out, err := p.run(ctx, append([]string{"run", "--once", "--wait", "5s"}, clock...)...); err == nil || !saysFull(out) {
		t.Errorf("full at the start: %v\n%s", err, out)
	}
	lap("full at the start, and said so")
	disk.free()
	disk.leave(1 << 20)
	running := p.start(ctx, append([]string{"run"}, clock...)...)
	err = s.await(ctx, func() (bool, error) { return saysFull(running.said.String()), nil })
	if err != nil {
		t.Fatal(err, running.said.String())
	}
	lap("full in the load, and said so")
	disk.free()
	select {
	case err := <-running.ended:
		t.Logf("the process ended: %v", err)
		if code := running.cmd.ProcessState.ExitCode(); code != exitFailed {
			t.Errorf("exit status %d\n%s", code, running.said.String())
		}
	case <-time.After(5 * time.Second):
		t.Log("the process goes on")
		running.stop()
	}
	if out, err := p.run(ctx, append([]string{"run", "--once"}, clock...)...); err != nil {
		t.Fatalf("with space again: %v\n%s", err, out)
	}
	if err := j.compare(ctx, day, s.oracle.Run(day)); err != nil {
		t.Fatal(err)
	}
}

// saysFull: what is wrong and what to do. A manifest that cannot be written ends the process where it stands, with words of its own.
func saysFull(text string) bool {
	return strings.Contains(text, syscall.ENOSPC.Error()) &&
		(strings.Contains(text, "the disk is full: free space") || strings.Contains(text, "check the disk (full? removed?), then start again"))
}

// program is the built binary with a configuration that stands for the stage's.
type program struct {
	t            *testing.T
	binary, file string
	env          []string
}

func newProgram(t *testing.T, s *stage, o stageOptions, dir string) *program {
	t.Helper()
	p := &program{t: t, binary: filepath.Join(t.TempDir(), "lejarat"), file: filepath.Join(t.TempDir(), "lejarat.yaml")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", p.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	yaml := strings.Replace(fmt.Sprintf(stageConfig, s.broker.Brokers()[0], "127.0.0.1:25"), "kafka: {", "kafka: {session_timeout: 6s, ", 1) + fmt.Sprintf("state: {dir: %q, flush_every: 1s}\n", dir)
	if err := os.WriteFile(p.file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	p.env = append(os.Environ(), "LEJARAT_IDENTITY_KEY="+inventedKey(o.Seed, 1), "LEJARAT_REFERENCE_KEY="+inventedKey(o.Seed, 2))
	return p
}

func (p *program) command(ctx context.Context, out io.Writer, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.binary, append(args, "--config", p.file)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, out, out
	return cmd
}

func (p *program) run(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	err := p.command(ctx, &out, args...).Run()
	return out.String(), err
}

// runningProgram is one that was started and not waited for.
type runningProgram struct {
	cmd   *exec.Cmd
	said  *said
	ended chan error
}

// said is what a program has printed so far.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (p *program) start(ctx context.Context, args ...string) *runningProgram {
	p.t.Helper()
	r := &runningProgram{said: &said{}, ended: make(chan error, 1)}
	r.cmd = p.command(ctx, r.said, args...)
	if err := r.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { r.ended <- r.cmd.Wait() }()
	return r
}

// stop is SIGTERM, and waits for the end.
func (r *runningProgram) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	<-r.ended
}
