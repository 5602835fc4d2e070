package api

import (
	"net/http"

	"latchkey"
)

const exampleImageID = "img_067a0f2n8c0007h3xq3j3m9zwg"

func brandingExamples() map[string]any {
	return map[string]any{
		"whole": members{
			"name": "Northwind CRM", "logo": exampleImageID, "colors": members{"accent": "#0a7a45", "radius": 8},
			"texts":       members{"en": members{"start.title": "Connect your mailbox to {app}"}, "*": members{"footer": "© Northwind Traders"}},
			"links":       members{"privacy": "https://northwind.example/privacy", "support": "https://northwind.example/help"},
			"header_html": "<p>Your data stays in <b>Europe</b>.</p>",
		},
		"colour_only": members{"colors": members{"accent": "#0a7a45"}},
	}
}

func imageExamples() map[string]any {
	return map[string]any{"png": members{
		"image": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAAEElEQVR4nGLiqnIFBAAA//8BYwDMizccZgAAAABJRU5ErkJggg==",
	}}
}

func (a *API) brandingRoutes() []route {
	return append([]route{
		{
			method: http.MethodGet, path: "/branding", permission: latchkey.PermSettings, handle: a.getBranding,
			doc: doc{
				id: "getBranding", tag: tagBranding, summary: "Read the branding",
				text:    "How your end users' pages look: those of links, sign-ins and reconnect URLs, and the page on which a sender's address agrees.",
				answers: []docAnswer{{status: http.StatusOK, text: "The branding.", body: brandingAnswer{}}},
			},
		},
		{
			method: http.MethodPut, path: "/branding", permission: latchkey.PermSettings, upload: true, handle: a.putBranding,
			doc: doc{
				id: "putBranding", tag: tagBranding, summary: "Set the branding",
				text: "Replaces the whole branding: what you leave out is ours again. Colours that cannot be seen or read are refused with `low_contrast`, and the " +
					"message names the ratio and the nearest colour that will do. Header HTML is rebuilt from what is allowed, and `warnings` say what was taken out. " +
					"What pages say of consent and of secrets stays. Pages change at once; other replicas follow within two seconds.",
				request: brandingRequest{}, examples: brandingExamples(),
				answers: []docAnswer{{status: http.StatusOK, text: "The branding as it is kept.", body: brandingAnswer{}}}, errors: []int{http.StatusConflict},
			},
		},
		{
			method: http.MethodDelete, path: "/branding", permission: latchkey.PermSettings, handle: a.deleteBranding,
			doc: doc{
				id: "deleteBranding", tag: tagBranding, summary: "Take the branding away", text: "Pages look as ours do. Images stay.",
				answers: []docAnswer{{status: http.StatusOK, text: "It is gone.", body: brandingDeleted{}}},
			},
		},
	}, a.imageRoutes()...)
}

func (a *API) imageRoutes() []route {
	return []route{
		{
			method: http.MethodPost, path: "/branding/images", permission: latchkey.PermSettings, upload: true, handle: a.addImage, action: "add_image",
			doc: doc{
				id: "addImage", tag: tagBranding, summary: "Upload an image",
				text: "For the logo, and for header HTML. Send JSON as below, the file itself (`curl --data-binary @logo.png -H \"Content-Type: image/png\"`) or a form " +
					"(`curl -F image=@logo.png`). It is drawn anew, at most 1000 pixels on its longer side: metadata and further frames are gone. " +
					"The same picture again is the image that there is (200). 20 images an application, 60 uploads an hour.",
				request: imageRequest{}, examples: imageExamples(),
				answers: []docAnswer{{status: http.StatusCreated, text: "The image.", body: image{}}, {status: http.StatusOK, text: "The image that there was already.", body: image{}}},
				errors:  []int{http.StatusConflict},
			},
		},
		{
			method: http.MethodGet, path: "/branding/images", permission: latchkey.PermSettings, handle: a.listImages,
			doc: doc{
				id: "listImages", tag: tagBranding, summary: "List images", text: "Images of the application, newest first.",
				params: pageParams(), answers: []docAnswer{{status: http.StatusOK, text: "A page of images.", body: imageList{}}},
			},
		},
		{
			method: http.MethodDelete, path: "/branding/images/{id}", permission: latchkey.PermSettings, handle: a.deleteImage,
			doc: doc{
				id: "deleteImage", tag: tagBranding, summary: "Delete an image", text: "An image that is shown stays: take it out of the branding first.",
				params:  []param{{name: "id", in: "path", text: "The image's id.", pattern: "^img_[0-9a-z]{26}$", example: exampleImageID}},
				answers: []docAnswer{{status: http.StatusOK, text: "It is gone.", body: imageDeleted{}}}, errors: []int{http.StatusNotFound, http.StatusConflict},
			},
		},
	}
}
