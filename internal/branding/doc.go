// Package branding owns how an application's pages look: its name, logo, colours, own words, links
// and header HTML, and the images that it uploaded. Whoever sets these is a tenant, and whoever sees
// them trusts the installation's host. So:
//
//   - An uploaded image is decoded, within bounds of bytes and pixels, and drawn anew: what is served
//     was made by our encoder, and holds no metadata and no second file.
//   - Header HTML is parsed, rebuilt from a short list of elements, and kept only in a form that
//     parses to itself (header.go). It is cleaned when it is set and again when it is read.
//   - Colours have to be told from the page and read on buttons (WCAG 2.2, level AA).
//   - Words are plain text beside ours; what a page says of consent and of secrets stays.
//
// It knows no page: package web/ui and the pages make something of a Look.
package branding
