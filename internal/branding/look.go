package branding

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Look is a branding as pages use it. It never changes: another branding is another Look, so that what
// was made of one can be kept beside it.
type Look struct {
	Name string
	// Logo and LogoDark are paths of images.
	Logo, LogoDark string
	// Palette is zero where the colours are ours.
	Palette Palette
	// Radius is in CSS pixels; -1 leaves ours.
	Radius int
	Links  Links
	// Header is clean HTML.
	Header string
	texts  map[string]map[string]string
}

// Text is the application's own text for a key, in the reader's language, else in none.
func (l *Look) Text(lang, key string) string {
	if s := l.texts[lang][key]; s != "" {
		return s
	}
	return l.texts[AnyLanguage][key]
}

// HasTexts tells whether the application has any words of its own.
func (l *Look) HasTexts() bool { return len(l.texts) > 0 }

func look(b Branding) *Look {
	l := &Look{Name: b.Name, Palette: b.Colors.palette(), Radius: -1, Links: b.Links, texts: b.Texts}
	if b.Colors.Radius != nil {
		l.Radius = *b.Colors.Radius
	}
	if b.Logo != "" {
		l.Logo = ImagePath + string(b.Logo)
	}
	if b.LogoDark != "" {
		l.LogoDark = ImagePath + string(b.LogoDark)
	}
	// Cleaned again: whoever wrote the row, it is a page of ours that shows it.
	l.Header, _ = Clean(b.HeaderHTML, ownPath)
	return l
}

// How long a Look is believed: on the replica that changed it not a moment, on others so long. Every
// page asks, and one read serves them all.
const (
	lookTTL  = 2 * time.Second
	maxLooks = 4096
)

type looks struct {
	mu    sync.RWMutex
	known map[latchkey.ApplicationID]*seen
	// epoch counts forgettings: what was read before one must not be remembered after it.
	epoch uint64
}

type seen struct {
	look     *Look
	document string
	until    time.Time
	// reading is held by whoever reads it anew; the others go on with what there is.
	reading sync.Mutex
}

func newLooks() *looks { return &looks{known: map[latchkey.ApplicationID]*seen{}} }

func (k *looks) get(app latchkey.ApplicationID) (*seen, *Look, time.Time, uint64) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	e := k.known[app]
	if e == nil {
		return nil, nil, time.Time{}, k.epoch
	}
	return e, e.look, e.until, k.epoch
}

func (k *looks) forget(app latchkey.ApplicationID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	delete(k.known, app)
}

// put remembers what was read. An unchanged branding keeps its Look, and with it the pages made of it.
func (k *looks) put(app latchkey.ApplicationID, v Stored, until time.Time, epoch uint64) *Look {
	k.mu.RLock()
	e := k.known[app]
	same := e != nil && e.document == v.document && k.epoch == epoch
	k.mu.RUnlock()
	var l *Look
	if same {
		l = e.look
	} else {
		l = look(v.Branding)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.epoch != epoch {
		return l
	}
	if len(k.known) >= maxLooks {
		clear(k.known)
	}
	if e := k.known[app]; e != nil && e.document == v.document {
		e.until = until
		return e.look
	}
	k.known[app] = &seen{look: l, document: v.document, until: until}
	return l
}

// Look is how the application's pages look just now. It never fails: where nothing can be read, pages
// look as they did, or plain.
func (s *Service) Look(ctx context.Context, app latchkey.ApplicationID) *Look {
	return s.LookIn(ctx, s.cfg.Store, app)
}

// LookIn is Look for whoever is inside a transaction: it reads by the transaction's own connection. With
// another one, a burst of transactions that all need a second connection would wait for one another for ever.
func (s *Service) LookIn(ctx context.Context, tx store.Tx, app latchkey.ApplicationID) *Look {
	if app == "" {
		return &Look{Radius: -1}
	}
	now := s.cfg.Now()
	e, l, until, epoch := s.looks.get(app)
	if e != nil {
		// A clock that was put back makes nothing last.
		if now.Before(until) && !now.Before(until.Add(-lookTTL)) {
			return l
		}
		if !e.reading.TryLock() {
			return l
		}
		defer e.reading.Unlock()
	}
	v, err := read(ctx, tx, app)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			s.cfg.Log.WarnContext(ctx, "branding not read", slog.String("app_id", string(app)), slog.String("cause", err.Error()))
		}
		if l == nil {
			l = &Look{Radius: -1}
		}
		return l
	}
	return s.looks.put(app, v, now.Add(lookTTL), epoch)
}

// Image reads an image by its id, for whoever has it.
func (s *Service) Image(ctx context.Context, id latchkey.ImageID) (latchkey.Image, error) {
	if !latchkey.IsImageID(string(id)) {
		return latchkey.Image{}, errs.NotFoundf("image")
	}
	now := s.cfg.Now()
	if img, ok := s.images.get(id, now); ok {
		return img, nil
	}
	epoch := s.images.now()
	img, err := s.cfg.Store.Images().Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return img, errs.NotFoundf("image")
	}
	if err == nil {
		s.images.put(img, now, epoch)
	}
	return img, err
}

// How much of images is kept in memory, and how long a deleted one lives on in other replicas.
const (
	imageMemory = 8 << 20
	imageTTL    = time.Minute
)

type imageCache struct {
	mu    sync.RWMutex
	known map[latchkey.ImageID]keptImage
	size  int
	epoch uint64
}

type keptImage struct {
	img   latchkey.Image
	until time.Time
}

func newImageCache() *imageCache { return &imageCache{known: map[latchkey.ImageID]keptImage{}} }

func (c *imageCache) now() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.epoch
}

func (c *imageCache) get(id latchkey.ImageID, now time.Time) (latchkey.Image, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.known[id]
	return k.img, ok && now.Before(k.until) && !now.Before(k.until.Add(-imageTTL))
}

func (c *imageCache) put(img latchkey.Image, now time.Time, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	if c.size+len(img.Body) > imageMemory {
		clear(c.known)
		c.size = 0
	}
	if _, there := c.known[img.ID]; !there {
		c.size += len(img.Body)
	}
	c.known[img.ID] = keptImage{img: img, until: now.Add(imageTTL)}
}

func (c *imageCache) forget(id latchkey.ImageID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	c.size -= len(c.known[id].img.Body)
	delete(c.known, id)
}
