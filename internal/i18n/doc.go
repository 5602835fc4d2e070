// Package i18n holds the words of the product: flat JSON maps, one file a language, merged from as
// many folders as there are packages with words of their own.
//
// A text is looked up by key for a language and falls back from the language to its base ("de-AT",
// "de") and then to English. Where a connector's texts extend the shared ones, its own come first
// in each language. Texts hold {placeholders}; what fills them is data and stays apart from the
// words (see Part), so that a page can escape and isolate it.
//
// The package knows no key, no page and no HTTP header beyond the syntax of Accept-Language.
package i18n
