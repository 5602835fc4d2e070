package hooks

import (
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"

	"latchkey"
)

// slots is how many queues a receiver has: what one receiver is sent can be shared by so many
// replicas.
const slots = 8

// shares is how many parts the queues are divided into; the table has so many rows.
const shares = 32

// laneOf is what keeps its order: the account, or the link where there is none.
func laneOf(d latchkey.Delivery) string {
	if d.AccountID != "" {
		return string(d.AccountID)
	}
	return string(d.LinkID)
}

// queueOf is the queue of a lane at a receiver.
func queueOf(receiver, lane string) string {
	return receiver + "#" + strconv.Itoa(int(hash(lane)%slots))
}

// receiverOf names who takes the notifications of links: a host, for one application. Its path is
// the application's secret.
func receiverOf(app latchkey.ApplicationID, raw string) string {
	host := raw
	if u, err := url.Parse(raw); err == nil {
		host = u.Host
	}
	return string(app) + "/" + strconv.FormatUint(uint64(hash(host)), 36)
}

// split takes a queue apart.
func split(queue string) (receiver string, slot int) {
	receiver, rest, _ := strings.Cut(queue, "#")
	slot, err := strconv.Atoi(rest)
	if err != nil || slot < 0 {
		return receiver, 0 // of a version without slots
	}
	return receiver, slot
}

// shareOf is the part that a queue belongs to. The queues of a receiver lie side by side, so that
// any number of replicas has about as many of them each.
func shareOf(queue string) int {
	receiver, slot := split(queue)
	return (int(hash(receiver)%shares) + slot) % shares
}

func hash(s string) uint32 {
	f := fnv.New32a()
	_, _ = f.Write([]byte(s)) // never fails
	return f.Sum32()
}
