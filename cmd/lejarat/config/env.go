package config

import (
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// The keys may stand in the environment itself, in hexadecimal or base64.
const (
	envIdentityKey  = "LEJARAT_IDENTITY_KEY"
	envReferenceKey = "LEJARAT_REFERENCE_KEY"
	envPrefix       = "LEJARAT_"
)

// environment overrides settings by variables: kafka.brokers is LEJARAT_KAFKA_BROKERS, sources[0].topic is
// LEJARAT_SOURCES_0_TOPIC; a list is separated by commas. Elements of lists and maps can be changed, not added. An
// empty variable counts as not set. A variable that starts like a section but names no setting is a fault.
func (r *report) environment(c *Config, env []string) {
	vars := map[string]string{}
	for _, e := range env {
		if name, value, ok := strings.Cut(e, "="); ok && value != "" && strings.HasPrefix(name, envPrefix) {
			vars[name] = value
		}
	}
	c.Identity.key = r.keyVariable(vars, envIdentityKey)
	c.Identity.referenceKey = r.keyVariable(vars, envReferenceKey)
	known := []string{envIdentityKey, envReferenceKey}
	settings(reflect.ValueOf(c).Elem(), "", func(path string, v reflect.Value) {
		name := variable(path)
		known = append(known, name)
		if value, ok := vars[name]; ok {
			r.decode(variableNode(value, v.Type()), path, origin{variable: name}, v)
		}
	})
	r.unknownVariables(vars, known)
}

func (r *report) keyVariable(vars map[string]string, name string) []byte {
	text, ok := vars[name]
	if !ok {
		return nil
	}
	key := decodeKey(text)
	if key == nil {
		r.at(origin{variable: name}, name, "a key is at least %d bytes in hexadecimal or base64; make one with: openssl rand -hex %d", KeyBytes, KeyBytes)
	}
	return key
}

// settings visits everything that a variable can set: scalars, lists of them, and the short forms of structs.
func settings(v reflect.Value, path string, visit func(path string, v reflect.Value)) {
	t := v.Type()
	switch {
	case isScalar(t), t.Kind() == reflect.Slice && writtenAsScalar(t.Elem()):
		visit(path, v)
	case t.Kind() == reflect.Slice:
		for i := range v.Len() {
			settings(v.Index(i), index(path, i), visit)
		}
	case t.Kind() == reflect.Map:
		keys := v.MapKeys()
		sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
		for _, key := range keys {
			elem := reflect.New(t.Elem()).Elem()
			elem.Set(v.MapIndex(key))
			settings(elem, join(path, key.String()), visit)
			v.SetMapIndex(key, elem)
		}
	default:
		if t.Implements(shortType) {
			visit(path, v)
		}
		for _, f := range fields(t) {
			settings(v.Field(f.index), join(path, f.name), visit)
		}
	}
}

func writtenAsScalar(t reflect.Type) bool { return isScalar(t) || t.Implements(shortType) }

var notInVariable = regexp.MustCompile(`[^A-Z0-9]+`)

// variable returns the name of the variable that overrides a setting.
func variable(path string) string {
	return envPrefix + strings.Trim(notInVariable.ReplaceAllString(strings.ToUpper(path), "_"), "_")
}

func variableNode(value string, t reflect.Type) *node {
	if t.Kind() != reflect.Slice {
		return &node{kind: scalarNode, text: value}
	}
	list := &node{kind: listNode}
	for part := range strings.SplitSeq(value, ",") {
		list.items = append(list.items, &node{kind: scalarNode, text: strings.TrimSpace(part)})
	}
	return list
}

// serviceLink matches what Kubernetes sets for a service that is called lejarat-<something>.
var serviceLink = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_|$)|_PORT$`)

func (r *report) unknownVariables(vars map[string]string, known []string) {
	var names []string
	for name := range vars {
		section, _, nested := strings.Cut(strings.TrimPrefix(name, envPrefix), "_")
		isSection := slices.ContainsFunc(fields(reflect.TypeFor[Config]()), func(f field) bool {
			return strings.EqualFold(f.name, section)
		})
		link := serviceLink.MatchString(name) && (!strings.HasSuffix(name, "_PORT") || strings.Contains(vars[name], "://"))
		if isSection && nested && !link && !slices.Contains(known, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		message := "no setting has this name; see `lejarat config` for those there are"
		if i := slices.IndexFunc(known, func(k string) bool { return near(name, k) }); i >= 0 {
			message = "no setting has this name; did you mean " + known[i] + "?"
		}
		r.at(origin{variable: name}, name, "%s", message)
	}
}
