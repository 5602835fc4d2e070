package api

import (
	"net/http"

	"latchkey"
)

func webhookIDParam() param {
	return param{name: "id", in: "path", text: "The webhook's id.", pattern: "^whe_[0-9a-z]{26}$", example: exampleWebhookID}
}

func deliveryIDParam() param {
	return param{name: "id", in: "path", text: "The delivery's id.", pattern: "^dlv_[0-9a-z]{26}$", example: exampleDeliveryID}
}

func (a *API) webhookRoutes() []route {
	one := func(text string) []docAnswer {
		return []docAnswer{{status: http.StatusOK, text: text, body: webhook{}}}
	}
	return []route{
		{
			method: http.MethodPost, path: "/webhooks", permission: latchkey.PermWebhooks, creating: true, handle: a.createWebhook,
			doc: doc{
				id: "createWebhook", tag: tagWebhooks, summary: "Make a webhook",
				text: "Have events posted to an address of yours, signed as Standard Webhooks with the secret of the answer. No event that happens " +
					"after the answer is missed.",
				request: webhookRequest{}, examples: webhookExamples(),
				answers: []docAnswer{{status: http.StatusCreated, text: "The webhook, with its secret.", body: webhookCreated{}}},
				errors:  []int{http.StatusConflict},
			},
		},
		{
			method: http.MethodGet, path: "/webhooks", permission: latchkey.PermWebhooks, handle: a.listWebhooks,
			doc: doc{
				id: "listWebhooks", tag: tagWebhooks, summary: "List webhooks", text: "Webhooks of the application, newest first.",
				params: pageParams(), answers: []docAnswer{{status: http.StatusOK, text: "A page of webhooks.", body: webhookList{}}},
			},
		},
		{
			method: http.MethodGet, path: "/webhooks/{id}", permission: latchkey.PermWebhooks, handle: a.getWebhook,
			doc: doc{
				id: "getWebhook", tag: tagWebhooks, summary: "Read a webhook", text: "The webhook, and whether it is paused or failing. Its secrets are never shown.",
				params: []param{webhookIDParam()}, answers: one("The webhook."), errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPatch, path: "/webhooks/{id}", permission: latchkey.PermWebhooks, handle: a.updateWebhook,
			doc: doc{
				id: "updateWebhook", tag: tagWebhooks, summary: "Change a webhook",
				text:   "Fields that you leave out stay as they are. What is still to be sent goes to the new address.",
				params: []param{webhookIDParam()}, request: webhookChange{}, examples: webhookChangeExamples(),
				answers: one("The webhook as it is now."), errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodDelete, path: "/webhooks/{id}", permission: latchkey.PermWebhooks, handle: a.deleteWebhook,
			doc: doc{
				id: "deleteWebhook", tag: tagWebhooks, summary: "Forget a webhook", text: "What is still to be sent to it is canceled.",
				params:  []param{webhookIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "It is gone.", body: webhookDeleted{}}}, errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPost, path: "/webhooks/{id}/rotate-secret", permission: latchkey.PermWebhooks, creating: true, handle: a.rotateWebhookSecret,
			doc: doc{
				id: "rotateWebhookSecret", tag: tagWebhooks, summary: "Get a new secret",
				text:    "For a day deliveries carry two signatures, with the new secret and with the one before. Verifying libraries take either.",
				params:  []param{webhookIDParam()},
				answers: []docAnswer{{status: http.StatusOK, text: "The new secret.", body: webhookSecret{}}}, errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPost, path: "/webhooks/{id}/resume", permission: latchkey.PermWebhooks, handle: a.resumeWebhook,
			doc: doc{
				id: "resumeWebhook", tag: tagWebhooks, summary: "Resume a webhook",
				text:   "End its pause. What happened meanwhile was not sent; replay it since `paused_at` where you want it.",
				params: []param{webhookIDParam()}, answers: one("The webhook, told again."), errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPost, path: "/webhooks/{id}/test", permission: latchkey.PermWebhooks, creating: true, handle: a.testWebhook,
			doc: doc{
				id: "testWebhook", tag: tagWebhooks, summary: "Send a test event",
				text:    "Send a `webhook.test` event to this webhook alone. How that went is in its deliveries.",
				params:  []param{webhookIDParam()},
				answers: []docAnswer{{status: http.StatusAccepted, text: "It is on its way.", body: deliveryQueued{}}},
				errors:  []int{http.StatusNotFound, http.StatusConflict},
			},
		},
		{
			method: http.MethodPost, path: "/webhooks/{id}/replay", permission: latchkey.PermWebhooks, creating: true, handle: a.replayWebhook,
			doc: doc{
				id: "replayWebhook", tag: tagWebhooks, summary: "Replay events",
				text: "Send every event again that the webhook wants and that was written since then, with the ids that they had, in order. " +
					"It goes on in the background. Ten times at once, then once a minute.",
				params: []param{webhookIDParam()}, request: replayRequest{}, examples: replayExamples(),
				answers: []docAnswer{{status: http.StatusAccepted, text: "The replay has begun.", body: replayStarted{}}},
				errors:  []int{http.StatusNotFound, http.StatusConflict},
			},
		},
	}
}

func (a *API) deliveryRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/webhooks/{id}/deliveries", permission: latchkey.PermWebhooks, handle: a.listWebhookDeliveries,
			doc: doc{
				id: "listWebhookDeliveries", tag: tagWebhooks, summary: "Read the delivery log",
				text:    "What was sent to the webhook within the last 30 days, newest first, with every try and what was answered. A page is shorter than asked for where answers are long.",
				params:  append([]param{webhookIDParam()}, pageParams()...),
				answers: []docAnswer{{status: http.StatusOK, text: "A page of deliveries.", body: deliveryList{}}},
				errors:  []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodGet, path: "/deliveries/{id}", permission: latchkey.PermWebhooks, handle: a.getDelivery,
			doc: doc{
				id: "getDelivery", tag: tagWebhooks, summary: "Read a delivery", text: "One delivery, with every try and what was answered.",
				params: []param{deliveryIDParam()}, answers: []docAnswer{{status: http.StatusOK, text: "The delivery.", body: delivery{}}},
				errors: []int{http.StatusNotFound},
			},
		},
		{
			method: http.MethodPost, path: "/deliveries/{id}/replay", permission: latchkey.PermWebhooks, creating: true, handle: a.replayDelivery,
			doc: doc{
				id: "replayDelivery", tag: tagWebhooks, summary: "Replay a delivery",
				text:    "Send it again with the same `webhook-id` and body, also to a link's notify_url: a new delivery with tries of its own.",
				params:  []param{deliveryIDParam()},
				answers: []docAnswer{{status: http.StatusAccepted, text: "It is on its way.", body: deliveryQueued{}}},
				errors:  []int{http.StatusNotFound, http.StatusConflict},
			},
		},
		{
			method: http.MethodPost, path: "/events/listen", permission: latchkey.PermWebhooks, handle: a.listenEvents,
			doc: doc{
				id: "listenEvents", tag: tagEvents, summary: "Wait for events",
				text: "Answers as soon as something has happened, or after `wait` seconds with nothing. Send the answer's `after` with the next " +
					"request. For a minute after each request you count as somebody who listens, so that `link.created` and `link.opened` are written, too.",
				request: listenRequest{}, examples: listenExamples(),
				answers: []docAnswer{{status: http.StatusOK, text: "What has happened.", body: listenAnswer{}}},
			},
		},
	}
}
