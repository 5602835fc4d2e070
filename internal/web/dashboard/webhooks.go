package dashboard

import (
	"slices"
	"strconv"
	"strings"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/hooks"
	"latchkey/internal/web"
)

func webhookRoutes() []route {
	return []route{
		{method: get, path: "/apps/{app}/webhooks", access: accessViewer, section: "webhooks", handle: listWebhooks},
		{method: get, path: "/apps/{app}/webhooks/new", access: accessDeveloper, section: "webhooks", handle: newWebhook},
		{method: post, path: "/apps/{app}/webhooks/new", access: accessDeveloper, section: "webhooks", action: "create_webhook", handle: createWebhook},
		{method: get, path: "/apps/{app}/webhooks/{id}", access: accessViewer, section: "webhooks", handle: webhookPage},
		{method: get, path: "/apps/{app}/webhooks/{id}/edit", access: accessDeveloper, section: "webhooks", handle: editWebhook},
		{method: post, path: "/apps/{app}/webhooks/{id}/edit", access: accessDeveloper, section: "webhooks", action: "update_webhook", handle: saveWebhook},
		{method: post, path: "/apps/{app}/webhooks/{id}/test", access: accessDeveloper, section: "webhooks", action: "test_webhook", handle: testWebhook},
		{method: post, path: "/apps/{app}/webhooks/{id}/resume", access: accessDeveloper, section: "webhooks", action: "resume_webhook", handle: resumeWebhook},
		{method: post, path: "/apps/{app}/webhooks/{id}/pause", access: accessDeveloper, section: "webhooks", action: "update_webhook", handle: pauseWebhook},
		{method: get, path: "/apps/{app}/webhooks/{id}/replay", access: accessDeveloper, section: "webhooks", handle: askReplay},
		{method: post, path: "/apps/{app}/webhooks/{id}/replay", access: accessDeveloper, section: "webhooks", action: "replay_webhook", handle: replayWebhook},
		{method: get, path: "/apps/{app}/webhooks/{id}/rotate-secret", access: accessDeveloper, section: "webhooks", handle: askRotate},
		{method: post, path: "/apps/{app}/webhooks/{id}/rotate-secret", access: accessDeveloper, section: "webhooks", action: "rotate_webhook_secret", handle: rotateSecret},
		{method: get, path: "/apps/{app}/webhooks/{id}/delete", access: accessDeveloper, section: "webhooks", handle: askDeleteWebhook},
		{method: post, path: "/apps/{app}/webhooks/{id}/delete", access: accessDeveloper, section: "webhooks", action: "delete_webhook", handle: deleteWebhook},
		{method: get, path: "/apps/{app}/deliveries/{id}", access: accessViewer, section: "webhooks", handle: deliveryPage},
		{method: post, path: "/apps/{app}/deliveries/{id}/replay", access: accessDeveloper, section: "webhooks", action: "replay_delivery", handle: replayDelivery},
	}
}

// nameOf is what operators know an endpoint by. Its path and query may be secrets.
func nameOf(e latchkey.Endpoint) string {
	if e.Name != "" {
		return e.Name
	}
	return hostOf(e.URL)
}

func hostOf(u string) string {
	_, rest, _ := strings.Cut(u, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	return host
}

func (c *call) endpointState(e latchkey.Endpoint) cell {
	switch {
	case e.Paused != "":
		return cell{Text: c.say("webhooks.paused"), Badge: "bad", Sub: c.say("paused." + string(e.Paused))}
	case !e.FailingSince.IsZero():
		return cell{Text: c.say("webhooks.failing"), Badge: "warn", Sub: c.say("webhooks.failing_since", "time", when(e.FailingSince).Text)}
	}
	return cell{Text: c.say("webhooks.works"), Badge: "good"}
}

func listWebhooks(c *call) (answer, error) {
	all, err := c.d.cfg.Webhooks.Endpoints(c.ctx, c.app.ID)
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("webhooks.title"), Lead: c.say("webhooks.lead")}
	if c.may(accessDeveloper) {
		p.Actions = []button{{Text: c.say("webhooks.new"), Href: c.appPath("/webhooks/new")}}
	}
	if len(all) == 0 {
		return answer{page: p.add(block{Empty: c.empty("webhooks", accessDeveloper, "/webhooks/new")})}, nil
	}
	t := &table{Caption: c.say("webhooks.title"), Cols: []string{c.say("col.name"), c.say("col.status"), c.say("webhooks.events"), c.say("col.created")}}
	for _, e := range all {
		t.Rows = append(t.Rows, row{{Text: nameOf(e), Href: c.appPath("/webhooks/" + string(e.ID))}, c.endpointState(e), {Text: strings.Join(e.Events, ", ")}, when(e.CreatedAt)})
	}
	return answer{page: p.add(block{Table: t})}, nil
}

// webhookForm is for a new endpoint and for one that is there. Values of headers are never shown again.
func (c *call) webhookForm(e latchkey.Endpoint) (*page, *form) {
	title, action, back := c.say("webhooks.new"), c.appPath("/webhooks/new"), c.appPath("/webhooks")
	if e.ID != "" {
		back = c.appPath("/webhooks/" + string(e.ID))
		title, action = c.say("webhooks.edit"), back+"/edit"
	}
	payload := []option{{"native", c.say("payload.native"), e.Payload != latchkey.PayloadAccountStatus}, {"account_status", c.say("payload.account_status"), e.Payload == latchkey.PayloadAccountStatus}}
	return &page{Title: title, Crumb: &link{c.say("webhooks.title"), back}},
		&form{Action: action, Submit: c.say("form.save"), Cancel: back, Fields: []field{
			{Name: "request_url", Label: c.say("webhooks.url"), Hint: c.say("webhooks.url_hint"), Type: "url", Required: true, Max: 2048, Value: e.URL},
			{Name: "name", Label: c.say("col.name"), Hint: c.say("webhooks.name_hint"), Max: hooks.MaxEndpointName, Value: e.Name},
			{Name: "events", Label: c.say("webhooks.events"), Hint: c.say("webhooks.events_hint"), Value: strings.Join(e.Events, " ")},
			{Name: "payload", Label: c.say("webhooks.payload"), Type: "select", Options: payload},
			{Name: "headers", Label: c.say("webhooks.headers"), Hint: c.headersHint(e), Type: "textarea"},
		}}
}

func (c *call) headersHint(e latchkey.Endpoint) string {
	var names []string
	for _, h := range e.Headers {
		names = append(names, h.Key)
	}
	if len(names) == 0 {
		return c.say("webhooks.headers_hint")
	}
	return c.say("webhooks.headers_kept", "names", strings.Join(names, ", "))
}

func newWebhook(c *call) (answer, error) {
	p, f := c.webhookForm(latchkey.Endpoint{Events: []string{latchkey.AllEvents}})
	return answer{page: p.add(block{Form: f})}, nil
}

// endpointSpec reads the form. Headers that are left empty stay as they are.
func (c *call) endpointSpec() (hooks.EndpointSpec, error) {
	u, name, payload := c.form("request_url"), c.form("name"), c.form("payload")
	events := strings.FieldsFunc(c.form("events"), func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\r' })
	spec := hooks.EndpointSpec{URL: &u, Name: &name, Events: &events, Payload: &payload}
	var wrong []errs.FieldError
	if u != "" {
		if why := web.BadURL(u); why != "" {
			wrong = append(wrong, errs.FieldError{Field: "request_url", Code: errs.CodeInvalidURL, Message: why})
		}
	}
	if len([]rune(name)) > hooks.MaxEndpointName || len(events) > hooks.MaxPatterns {
		wrong = append(wrong, errs.FieldError{Field: "name", Code: errs.CodeTooLong, Message: c.say("form.too_long")})
	}
	if text := c.form("headers"); text != "" {
		headers := []latchkey.Header{}
		for line := range strings.Lines(text) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
			if key == "" && !ok {
				continue
			}
			if !ok || len(headers) >= hooks.MaxHeaders {
				wrong = append(wrong, errs.FieldError{Field: "headers", Code: errs.CodeInvalidValue, Message: c.say("webhooks.bad_header")})
				break
			}
			headers = append(headers, latchkey.Header{Key: strings.TrimSpace(key), Value: strings.TrimSpace(value)})
		}
		if strings.EqualFold(text, "none") {
			headers, wrong = []latchkey.Header{}, nil
		}
		spec.Headers = &headers
	}
	_, more := spec.Apply(latchkey.Endpoint{Payload: latchkey.PayloadNative}, c.d.now())
	if wrong = append(wrong, more...); wrong != nil {
		return spec, errs.InvalidFields(wrong...)
	}
	return spec, nil
}

// typed is the form as it was sent, but for the headers: their values are secrets.
func (c *call) typed(id latchkey.EndpointID) latchkey.Endpoint {
	return latchkey.Endpoint{ID: id, URL: c.form("request_url"), Name: c.form("name"), Events: strings.Fields(c.form("events")), Payload: latchkey.PayloadKind(c.form("payload"))}
}

func createWebhook(c *call) (answer, error) {
	spec, err := c.endpointSpec()
	var made latchkey.Endpoint
	if err == nil {
		made, err = c.d.cfg.Webhooks.CreateEndpoint(c.ctx, c.app.ID, spec)
	}
	if err != nil {
		p, f := c.webhookForm(c.typed(""))
		return c.again(p, f, err)
	}
	return c.shownSecret(made, "webhooks.created")
}

func (c *call) shownSecret(e latchkey.Endpoint, title string) (answer, error) {
	p := &page{Title: c.say(title), Lead: c.say("once.lead"), Crumb: &link{nameOf(e), c.appPath("/webhooks/" + string(e.ID))}}
	return answer{page: p.add(block{Once: &once{Label: c.say("once.webhook_secret"), Value: e.Secret, Hint: c.say("once.secret_hint")}},
		block{Buttons: []button{{Text: c.say("webhooks.go"), Href: c.appPath("/webhooks/" + string(e.ID)), Tone: "quiet"}}})}, nil
}

func (c *call) endpoint() (latchkey.Endpoint, error) {
	return c.d.cfg.Webhooks.Endpoint(c.ctx, c.app.ID, latchkey.EndpointID(c.id()))
}

func webhookPage(c *call) (answer, error) {
	e, err := c.endpoint()
	if err != nil {
		return answer{}, err
	}
	logged, early, err := c.d.cfg.Webhooks.Deliveries(c.ctx, c.app.ID, e.ID, c.before("dlv_"))
	if err != nil {
		return answer{}, err
	}
	logged, more := paged(c, logged, func(d hooks.Logged) string { return string(d.ID) })
	if early && more == "" {
		more = "?before=" + string(logged[len(logged)-1].ID)
	}
	at := c.appPath("/webhooks/" + string(e.ID))
	address := hostOf(e.URL)
	if c.may(accessDeveloper) {
		address = e.URL // it may hold a secret of the receiver's
	}
	p := &page{Title: nameOf(e), Crumb: &link{c.say("webhooks.title"), c.appPath("/webhooks")}}
	p.add(block{Facts: []fact{
		{c.say("col.status"), c.endpointState(e)},
		{c.say("webhooks.url"), cell{Text: address, Mono: true}},
		{c.say("webhooks.events"), cell{Text: strings.Join(e.Events, ", ")}},
		{c.say("webhooks.payload"), cell{Text: c.say("payload." + string(e.Payload))}},
		{c.say("col.id"), cell{Text: string(e.ID), Mono: true}},
	}})
	if c.may(accessDeveloper) {
		b := []button{
			{Text: c.say("webhooks.test"), Href: at + "/test", Post: true, Tone: "quiet"},
			{Text: c.say("form.edit"), Href: at + "/edit", Tone: "quiet"},
			{Text: c.say("webhooks.rotate"), Href: at + "/rotate-secret", Tone: "quiet"},
			{Text: c.say("form.delete"), Href: at + "/delete", Tone: "danger"},
		}
		if e.Paused != "" {
			b = slices.Insert(b, 0, button{Text: c.say("webhooks.resume"), Href: at + "/resume", Post: true})
		} else {
			b = slices.Insert(b, 3, button{Text: c.say("webhooks.replay"), Href: at + "/replay", Tone: "quiet"}, button{Text: c.say("webhooks.pause"), Href: at + "/pause", Post: true, Tone: "quiet"})
		}
		p.add(block{Buttons: b})
	}
	p.add(block{Heading: c.say("deliveries.title")})
	if len(logged) == 0 {
		return answer{page: p.add(block{Text: c.say("deliveries.empty")})}, nil
	}
	t := &table{Caption: c.say("deliveries.title"), More: more, Cols: []string{c.say("col.time"), c.say("col.event"), c.say("col.status"), c.say("deliveries.tries"), c.say("deliveries.answer")}}
	for _, d := range logged {
		created := when(d.CreatedAt)
		created.Href = c.appPath("/deliveries/" + string(d.ID))
		t.Rows = append(t.Rows, row{created, {Text: string(d.EventType)}, c.status("delivery", string(d.Status)), {Text: number(int64(d.Attempts)), Num: true}, {Text: lastAnswer(d.Tries)}})
	}
	return answer{page: p.add(block{Table: t})}, nil
}

func lastAnswer(tries []latchkey.Attempt) string {
	if len(tries) == 0 {
		return "–"
	}
	return answered(tries[len(tries)-1])
}

func answered(a latchkey.Attempt) string {
	switch {
	case a.HTTPStatus > 0 && a.Error == "":
		return strconv.Itoa(a.HTTPStatus)
	case a.HTTPStatus > 0:
		return strconv.Itoa(a.HTTPStatus) + " " + a.Error
	}
	return or(a.Error)
}

func editWebhook(c *call) (answer, error) {
	e, err := c.endpoint()
	if err != nil {
		return answer{}, err
	}
	p, f := c.webhookForm(e)
	return answer{page: p.add(block{Form: f})}, nil
}

func saveWebhook(c *call) (answer, error) {
	e, err := c.endpoint()
	if err != nil {
		return answer{}, err
	}
	spec, err := c.endpointSpec()
	if err == nil {
		_, err = c.d.cfg.Webhooks.UpdateEndpoint(c.ctx, c.app.ID, e.ID, spec)
	}
	if err != nil {
		typed := c.typed(e.ID)
		typed.Headers = e.Headers
		p, f := c.webhookForm(typed)
		return c.again(p, f, err)
	}
	return answer{to: c.appPath("/webhooks/" + string(e.ID) + "?done=saved")}, nil
}

func testWebhook(c *call) (answer, error) {
	_, err := c.d.cfg.Webhooks.TestEndpoint(c.ctx, c.app.ID, latchkey.EndpointID(c.id()))
	return answer{to: c.appPath("/webhooks/" + c.id() + "?done=tested")}, err
}

func resumeWebhook(c *call) (answer, error) {
	_, err := c.d.cfg.Webhooks.ResumeEndpoint(c.ctx, c.app.ID, latchkey.EndpointID(c.id()))
	return answer{to: c.appPath("/webhooks/" + c.id() + "?done=resumed")}, err
}

func askRotate(c *call) (answer, error) {
	e, err := c.endpoint()
	if err != nil {
		return answer{}, err
	}
	return c.ask(c.say("webhooks.rotate_title"), c.say("webhooks.rotate_lead"), c.say("webhooks.rotate"), c.r.URL.Path, c.appPath("/webhooks/"+string(e.ID)))
}

func rotateSecret(c *call) (answer, error) {
	e, err := c.d.cfg.Webhooks.RotateSecret(c.ctx, c.app.ID, latchkey.EndpointID(c.id()))
	if err != nil {
		return answer{}, err
	}
	return c.shownSecret(e, "webhooks.rotated")
}

func askDeleteWebhook(c *call) (answer, error) {
	e, err := c.endpoint()
	if err != nil {
		return answer{}, err
	}
	return c.ask(c.say("webhooks.delete_title", "name", nameOf(e)), c.say("webhooks.delete_lead"), c.say("form.delete"), c.r.URL.Path, c.appPath("/webhooks/"+string(e.ID)))
}

func deleteWebhook(c *call) (answer, error) {
	return answer{to: c.appPath("/webhooks?done=deleted")}, c.d.cfg.Webhooks.DeleteEndpoint(c.ctx, c.app.ID, latchkey.EndpointID(c.id()))
}

func deliveryPage(c *call) (answer, error) {
	d, tries, err := c.d.cfg.Webhooks.Delivery(c.ctx, c.app.ID, latchkey.DeliveryID(c.id()))
	if err != nil {
		return answer{}, err
	}
	p := &page{Title: c.say("deliveries.one")}
	if d.EndpointID != "" {
		p.Crumb = &link{c.say("deliveries.back"), c.appPath("/webhooks/" + string(d.EndpointID))}
	}
	if c.may(accessDeveloper) {
		p.Actions = []button{{Text: c.say("deliveries.replay"), Href: c.appPath("/deliveries/" + string(d.ID) + "/replay"), Post: true, Tone: "quiet"}}
	}
	p.add(block{Facts: []fact{
		{c.say("col.status"), c.status("delivery", string(d.Status))},
		{c.say("col.event"), cell{Text: string(d.EventType)}},
		{c.say("col.id"), cell{Text: string(d.ID), Mono: true}},
		{c.say("deliveries.webhook_id"), cell{Text: string(d.EventID), Mono: true}},
		{c.say("col.created"), when(d.CreatedAt)},
		{c.say("deliveries.next"), when(d.DueAt)},
		{c.say("deliveries.payload"), cell{Text: string(d.Payload), Mono: true}},
	}})
	p.add(block{Heading: c.say("deliveries.tries")})
	if len(tries) == 0 {
		return answer{page: p.add(block{Text: c.say("deliveries.untried")})}, nil
	}
	t := &table{Caption: c.say("deliveries.tries"), Cols: []string{c.say("col.time"), c.say("deliveries.answer"), c.say("deliveries.took"), c.say("deliveries.body")}}
	for _, a := range tries {
		t.Rows = append(t.Rows, row{when(a.At), {Text: answered(a)}, {Text: number(a.Duration.Milliseconds()) + " ms", Num: true}, {Text: or(strings.ToValidUTF8(string(a.Response), "�")), Mono: true}})
	}
	return answer{page: p.add(block{Table: t})}, nil
}

func replayDelivery(c *call) (answer, error) {
	d, err := c.d.cfg.Webhooks.Replay(c.ctx, c.app.ID, latchkey.DeliveryID(c.id()))
	return answer{to: c.appPath("/deliveries/" + string(d.ID) + "?done=replayed")}, err
}
