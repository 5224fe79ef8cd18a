package config

import (
	"fmt"
	"os"
	"reflect"
)

// Load reads the file and the environment (os.Environ's form). Its error is a Faults, or that of reading the file.
func Load(path string, env []string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w; name the file with --config", err)
	}
	return Parse(path, data, env)
}

// Parse is Load for a file that has been read; name stands for it in faults. Its error is a Faults.
func Parse(name string, yaml []byte, env []string) (*Config, error) {
	rep := &report{file: name, origins: map[string]origin{}}
	c := Default()
	if root := readYAML(rep, yaml); root != nil {
		rep.decode(root, "", origin{line: root.line, column: root.column}, reflect.ValueOf(c).Elem())
	} else if len(rep.faults) > 0 {
		return nil, rep.err() // no YAML: what else is missing is no news
	}
	rep.environment(c, env)
	c.resolve(rep)
	c.check(rep)
	if err := rep.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// resolve fills in the defaults that follow from other settings.
func (c *Config) resolve(rep *report) {
	tls := &c.Kafka.TLS
	if !rep.given("kafka.tls.enabled") && (tls.CAFile != "" || tls.CertFile != "" || tls.KeyFile != "") {
		tls.Enabled = true
	}
	for i := range c.Sources {
		c.Sources[i].resolve(rep, index("sources", i), c)
	}
}

func (s *Source) resolve(rep *report, path string, c *Config) {
	if s.Name == "" {
		s.Name = s.Topic
	}
	if !rep.given(path + ".drop_title") {
		s.DropTitle = c.Identity.DropTitle
	}
	if s.Heartbeat.Topic != "" && !rep.given(path+".heartbeat.max_age") {
		s.Heartbeat.MaxAge = defaultMaxAge
	}
	if !rep.given(path + ".delay_limit") {
		s.DelayLimit = defaultMaxAge
		if s.Heartbeat.MaxAge != 0 {
			s.DelayLimit = s.Heartbeat.MaxAge
		}
	}
	if t := &s.Columns.Type; t.Column != "" && len(t.Values) == 0 {
		t.Values = map[string]string{}
		for name := range c.Documents {
			t.Values[name] = name
		}
	}
	for _, b := range []*BoolColumn{&s.Columns.Active, &s.Columns.Service} {
		if b.Column != "" && len(b.True) == 0 {
			b.True = []string{"true", "1"}
		}
	}
}
