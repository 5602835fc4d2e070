// Package ui is what all our pages share: the design tokens and components (one stylesheet), one
// small script, the theme that an application puts over them, the headers that pages are served
// with, and QR codes as inline SVG.
//
// Colours go palette → intent → component. An application overrides brand, brand ink and radius; the
// rest stays, so that contrast is ours to keep. Nothing is written inline: the content security
// policy of our pages allows neither styles nor scripts in the markup.
//
// It knows no step, no link and no route but /assets/.
package ui
