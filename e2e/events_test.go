package e2e_test

import (
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
)

func pageLoaded() cdp.Event[page.EventLoadEventFired] { return page.LoadEventFired }

func pageNavigated() cdp.Event[page.EventFrameNavigated] { return page.FrameNavigated }
