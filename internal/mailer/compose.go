package mailer

import (
	"fmt"
	"io"
	"mime"
	netmail "net/mail"
	"strings"

	"github.com/wneessen/go-mail"

	"latchkey"
)

// identity is what a mail comes from.
type identity struct{ Email, Name string }

// compose builds the message. Its id follows from the mail's, so that a second try is the same mail
// to whoever gets both.
func compose(m latchkey.Mail, c content, from identity) (io.WriterTo, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithEncoding(mail.EncodingQP))
	// The library's own way from a text stumbles over quotes in a name.
	msg.FromMailAddress(&netmail.Address{Name: orElse(from.Name, from.Email), Address: from.Email})
	if err := msg.To(m.To); err != nil {
		return nil, fmt.Errorf("mailer: To: %w", err)
	}
	_, domain, _ := strings.Cut(from.Email, "@")
	msg.SetMessageIDWithValue(string(m.ID) + "@" + domain)
	msg.SetDateWithValue(m.CreatedAt)
	msg.Subject(c.Subject)
	// RFC 3834 §5: nobody's vacation notice is to answer this.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	msg.SetGenHeader("Content-Language", mime.QEncoding.Encode("utf-8", c.Locale))
	msg.SetBodyString(mail.TypeTextPlain, c.Text)
	if c.HTML != "" {
		msg.AddAlternativeString(mail.TypeTextHTML, c.HTML)
	}
	return msg, nil
}
