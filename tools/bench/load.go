package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The load generator shares the machine with what it measures, so it is written to cost little: the
// requests are bytes made beforehand, each connection has one goroutine and one outstanding request,
// and of an answer only what has to be checked is read.

// load is one kind of request.
type load struct {
	addr string
	// requests are sent in turn; each connection begins at another.
	requests [][]byte
	status   int
	// stride is how far apart connections begin; 0 means 1.
	stride int
	// holds is in the body of every right answer.
	holds []byte
}

// rate is what came of a load.
type rate struct {
	perSecond float64
	p50, p99  time.Duration
	// cpu is the time that the server's processor took, for one request.
	cpu time.Duration
}

// get makes a GET request for a path.
func get(host, path string, headers ...string) []byte {
	return request("GET", host, path, nil, headers...)
}

// request makes the bytes of a request; headers are whole lines.
func request(method, host, path string, body []byte, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != nil {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// run puts the load on for a while over conns connections. Every answer is checked.
func (l load) run(ctx context.Context, conns int, each time.Duration, server *process) (rate, error) {
	ctx, cancel := context.WithTimeout(ctx, each+30*time.Second)
	defer cancel()
	if _, err := l.drive(ctx, conns, each/8); err != nil { // connections, caches, prepared statements
		return rate{}, err
	}
	before, err := server.cpu()
	if err != nil {
		return rate{}, err
	}
	start := time.Now()
	took, err := l.drive(ctx, conns, each)
	if err != nil {
		return rate{}, err
	}
	wall := time.Since(start)
	after, err := server.cpu()
	if err != nil {
		return rate{}, err
	}
	slices.Sort(took)
	n := len(took)
	return rate{
		perSecond: float64(n) / wall.Seconds(), p50: took[n/2], p99: took[n*99/100], cpu: (after - before) / time.Duration(n),
	}, nil
}

// drive returns how long each request took.
func (l load) drive(ctx context.Context, conns int, each time.Duration) ([]time.Duration, error) {
	until := time.Now().Add(each)
	results := make([][]time.Duration, conns)
	failed := make([]error, conns)
	var wg sync.WaitGroup
	for i := range conns {
		wg.Go(func() { results[i], failed[i] = l.one(ctx, i, until) })
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	all := slices.Concat(results...)
	if len(all) == 0 {
		return nil, errors.New("no answer came in time")
	}
	return all, nil
}

func (l load) one(ctx context.Context, turn int, until time.Time) (took []time.Duration, err error) {
	c, err := dialWire(ctx, l.addr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.conn.Close()) }()
	took = make([]time.Duration, 0, 1<<14)
	turn *= max(1, l.stride)
	for at := time.Now(); at.Before(until); {
		turn++
		status, body, err := c.do(l.requests[turn%len(l.requests)])
		if err != nil {
			return nil, err
		}
		if status != l.status || !bytes.Contains(body, l.holds) {
			return nil, fmt.Errorf("answer %d instead of %d with %q: %.300s", status, l.status, l.holds, body)
		}
		now := time.Now()
		took = append(took, now.Sub(at))
		at = now
	}
	return took, nil
}

// wire is one connection that speaks HTTP/1.1 as far as our own server needs it.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	body []byte
	// cookie is the last that was set, as it is sent back.
	cookie string
	// keepCookie is set where somebody wants it.
	keepCookie bool
}

func dialWire(ctx context.Context, addr string) (*wire, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		err = conn.SetDeadline(deadline)
	}
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}, err
}

// do sends a request and reads its answer; the body is good until the next call.
func (c *wire) do(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 {
		return 0, nil, fmt.Errorf("not an answer: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if v, ok := header(line, "content-length"); ok {
			if length, err = strconv.Atoi(string(v)); err != nil {
				return 0, nil, err
			}
		} else if v, ok := header(line, "set-cookie"); ok && c.keepCookie {
			pair, _, _ := bytes.Cut(v, []byte(";"))
			c.cookie = string(pair)
		}
	}
	if length < 0 {
		return 0, nil, errors.New("an answer without Content-Length")
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	_, err = io.ReadFull(c.in, c.body)
	return status, c.body, err
}

// header returns the value of a header line, if it is the one.
func header(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}
