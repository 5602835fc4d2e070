package config

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// File reads a configuration file: lines NAME=value with the names of the environment variables,
// # for comments; the same file serves systemd as EnvironmentFile. It is a kong.ConfigurationLoader.
func File(r io.Reader) (kong.Resolver, error) {
	values := map[string]string{}
	lineOf := map[string]int{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !ok || !strings.HasPrefix(strings.TrimSpace(name), "LATCHKEY_") {
			return nil, fmt.Errorf("line %d: expected LATCHKEY_NAME=value", n)
		}
		value = strings.TrimSpace(value)
		if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		values[strings.TrimSpace(name)], lineOf[strings.TrimSpace(name)] = value, n
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return file{lineOf: lineOf, ResolverFunc: func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, env := range flag.Envs {
			if v, ok := values[env]; ok && os.Getenv(env) == "" {
				return v, nil
			}
			if path, ok := values[env+"_FILE"]; ok && os.Getenv(env) == "" && os.Getenv(env+"_FILE") == "" {
				return readSecret(env+"_FILE", path)
			}
		}
		return nil, nil
	}}, nil
}

// file resolves what a configuration file says, and knows its lines.
type file struct {
	kong.ResolverFunc
	lineOf map[string]int
}

// Validate names every line whose variable is none of ours: a misspelt one would otherwise be ignored.
func (f file) Validate(model *kong.Application) error {
	var bad []error
	for _, name := range unknown(slices.Collect(maps.Keys(f.lineOf)), model) {
		bad = append(bad, fmt.Errorf("the configuration file, line %d: %s is not a setting of this version", f.lineOf[name], name))
	}
	return errors.Join(bad...)
}

// SecretFiles resolves NAME_FILE for every variable NAME: the value is what the file holds.
func SecretFiles() kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, env := range flag.Envs {
			if path := os.Getenv(env + "_FILE"); path != "" && os.Getenv(env) == "" {
				return readSecret(env+"_FILE", path)
			}
		}
		return nil, nil
	})
}

func readSecret(variable, path string) (string, error) {
	raw, err := os.ReadFile(path) // the operator names the file
	if err != nil {
		return "", fmt.Errorf("%s: %w", variable, err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// Unknown lists variables of the environment that look like ours and are not: a misspelt name
// would otherwise be ignored in silence.
func Unknown(environ []string, model *kong.Application) []string {
	names := make([]string, len(environ))
	for i, kv := range environ {
		names[i], _, _ = strings.Cut(kv, "=")
	}
	return unknown(names, model)
}

func unknown(names []string, model *kong.Application) []string {
	known := map[string]bool{}
	for _, group := range model.AllFlags(false) {
		for _, f := range group {
			for _, env := range f.Envs {
				known[env], known[env+"_FILE"] = true, true
			}
		}
	}
	for _, cmd := range model.Leaves(false) {
		for _, group := range cmd.AllFlags(false) {
			for _, f := range group {
				for _, env := range f.Envs {
					known[env], known[env+"_FILE"] = true, true
				}
			}
		}
	}
	var out []string
	for _, name := range names {
		if strings.HasPrefix(name, "LATCHKEY_") && !strings.HasPrefix(name, "LATCHKEY_TEST_") && !known[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
