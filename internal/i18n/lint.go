package i18n

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Lint compares the languages of one folder with its English, and returns what is wrong: keys that
// are missing or too many, and placeholders that differ. Plural forms of a key count as one key,
// since languages have different ones; each language needs "….other". Packages with texts call it
// in a test.
func Lint(src fs.FS) ([]string, error) {
	files, err := readFolder(src)
	if err != nil {
		return nil, err
	}
	base := files[Fallback]
	if base == nil {
		return nil, fmt.Errorf("i18n: no %s.json", Fallback)
	}
	var problems []string
	want := signatures(base, &problems, Fallback)
	for lang, texts := range files {
		if lang == Fallback {
			continue
		}
		have := signatures(texts, &problems, lang)
		for key, sig := range want {
			got, ok := have[key]
			switch {
			case !ok:
				problems = append(problems, fmt.Sprintf("%s: %s is missing", lang, key))
			case got != sig:
				problems = append(problems, fmt.Sprintf("%s: %s has placeholders %s, English has %s", lang, key, got, sig))
			}
		}
		for key := range have {
			if _, ok := want[key]; !ok {
				problems = append(problems, fmt.Sprintf("%s: %s does not exist in English", lang, key))
			}
		}
	}
	slices.Sort(problems)
	return problems, nil
}

// signatures maps each key, plural forms folded, to its sorted placeholders.
func signatures(texts map[string]string, problems *[]string, lang string) map[string]string {
	out := make(map[string]string, len(texts))
	for key, text := range texts {
		if strings.TrimSpace(text) != text || text == "" {
			*problems = append(*problems, fmt.Sprintf("%s: %s is empty or has space around it", lang, key))
		}
		m, err := parse(text)
		if err != nil {
			*problems = append(*problems, fmt.Sprintf("%s: %s: %v", lang, key, err))
			continue
		}
		folded := foldPlural(texts, key)
		if folded != key && !strings.HasSuffix(key, ".other") {
			// A form for a fixed number may leave {count} out; only "other" has to agree.
			continue
		}
		out[folded] = placeholders(m)
	}
	return out
}

// foldPlural strips a plural category off a key whose siblings make it one.
func foldPlural(texts map[string]string, key string) string {
	i := strings.LastIndexByte(key, '.')
	if i < 0 {
		return key
	}
	for _, c := range categories() {
		if key[i+1:] == c {
			if _, ok := texts[key[:i]+".other"]; ok {
				return key[:i] + ".#"
			}
		}
	}
	return key
}

func placeholders(m message) string {
	var names []string
	for _, p := range m {
		if p.Data {
			names = append(names, "{"+p.Text+"}")
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), "")
}
