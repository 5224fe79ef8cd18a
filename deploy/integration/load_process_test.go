//go:build integration && load

package integration

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// measured is a process whose costs count.
type measured struct {
	*process
	peak atomic.Int64 // MB
}

// begin starts a command whose costs count.
func (l *load) begin(args ...string) *measured { return l.beginOn(l.service, args...) }

func (l *load) beginOn(v *service, args ...string) *measured {
	if dir := os.Getenv("LEJARAT_LOAD_PROFILES"); dir != "" && args[0] == "run" {
		args = append(args, "--cpu-profile", filepath.Join(dir, fmt.Sprintf("%03d.prof", logNumber())))
	}
	p := &measured{process: v.start(args...)}
	go func() {
		for {
			if mb := residentPeak(p.cmd.Process.Pid); mb > 0 {
				p.peak.Store(mb)
			}
			select {
			case <-p.ended:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return p
}

func (p *measured) peakMB() int64 { return p.peak.Load() }

// residentPeak is the most memory that a process has had so far, in MB. The kernel's own figure for children that have
// ended counts what their parent had when it made them.
func residentPeak(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest + " 0 kB")[0], 10, 64)
	if err != nil {
		return 0
	}
	return kb >> 10
}

// cpu is what a running process has used so far, in nanoseconds of its threads.
func (p *measured) cpu(t *testing.T) (total time.Duration) {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has just ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(text) + " 0")[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		total += time.Duration(ns)
	}
	return total
}

// used is what a process that has ended used in all.
func (p *measured) used() time.Duration {
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// ownCPU is what this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// stop asks the process to end.
func (l *load) stop(p *measured) { l.service.stop(p.process) }

// ended waits for a command and returns what it printed.
func (l *load) ended(p *measured) string {
	l.t.Helper()
	err := p.wait(3 * time.Hour)
	out, readErr := os.ReadFile(p.out)
	if err != nil || readErr != nil {
		l.t.Fatalf("%v %v\n%s\n%s", err, readErr, out, tailOf(p.log, 20))
	}
	return string(out)
}

// treeBytes is the size of all files below a directory.
func treeBytes(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// topicBytes are what the topics of the service and its sources take at the broker.
func (l *load) topicBytes() map[string]int64 {
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(l.kafka, ",")...))
	if err != nil {
		l.t.Fatal(err)
	}
	defer cl.Close()
	dirs, err := kadm.NewClient(cl).DescribeAllLogDirs(l.t.Context(), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	all := map[string]int64{}
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			for _, prefix := range append([]string{l.prefix}, l.topics...) {
				if strings.HasPrefix(p.Topic, prefix) {
					all[p.Topic] += p.Size
				}
			}
		})
	})
	return all
}
