package app

import (
	"context"
	"net"
	"sync"

	"latchkey/internal/connector/mock"
)

// lazyPhone starts the test provider's phone when it is first called.
type lazyPhone struct {
	in    *installation
	mu    sync.Mutex
	phone *mock.Phone
}

func (l *lazyPhone) dial(ctx context.Context) (net.Conn, error) {
	phone, err := l.start()
	if err != nil {
		return nil, err
	}
	return phone.Dial(ctx)
}

func (l *lazyPhone) start() (*mock.Phone, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phone != nil {
		return l.phone, nil
	}
	phone, err := mock.StartPhone(mock.PhoneConfig{})
	if err != nil {
		return nil, err
	}
	l.phone = phone
	l.in.onClose(phone.Close)
	return phone, nil
}
