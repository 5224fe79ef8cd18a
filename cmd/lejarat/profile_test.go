package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCPUProfile: the profile of a command is whole when it has ended, whichever way; a file that cannot be made is a wrong use.
func TestCPUProfile(t *testing.T) {
	const command = "LEJARAT_PROFILED"
	if args := os.Getenv(command); args != "" { // this is the process to be looked at
		os.Args = append(os.Args[:1], strings.Fields(args)...)
		main()
	}
	lejarat := func(args string) ([]byte, error) {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), command+"="+args)
		return cmd.CombinedOutput()
	}
	path := filepath.Join(t.TempDir(), "cpu.prof")
	for args, fails := range map[string]bool{"demo --people 300": false, "run --config there-is-none.yaml": true} {
		out, err := lejarat(args + " --cpu-profile " + path)
		if failed := err != nil; failed != fails {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", args, err)
		}
		if all, err := io.ReadAll(z); err != nil || !bytes.Contains(all, []byte("nanoseconds")) {
			t.Errorf("%s: %d bytes that are no profile: %v", args, len(all), err)
		}
	}
	out, err := lejarat("topics --cpu-profile " + t.TempDir())
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != exitUsage || !strings.Contains(string(out), "--cpu-profile: open ") {
		t.Errorf("%v\n%s", err, out)
	}
}
