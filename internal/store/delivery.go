package store

import (
	"context"
	"time"

	"latchkey"
)

// Endpoints are few for each application.
type Endpoints interface {
	Create(ctx context.Context, e latchkey.Endpoint) error
	Get(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error)
	// ForUpdate is Get that keeps others from changing it. Only inside InTx.
	ForUpdate(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) (latchkey.Endpoint, error)
	// List returns all of them, oldest first.
	List(ctx context.Context, app latchkey.ApplicationID) ([]latchkey.Endpoint, error)
	// Update writes everything but ids, FailingSince and CreatedAt.
	Update(ctx context.Context, e latchkey.Endpoint) error
	// MarkFailing writes FailingSince alone; zero clears it.
	MarkFailing(ctx context.Context, id latchkey.EndpointID, since time.Time) error
	Delete(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID) error
}

// Tried is a try with what it makes of its delivery.
type Tried struct {
	Delivery latchkey.Delivery
	Attempt  latchkey.Attempt
}

// QueueDue is a queue in which deliveries wait, and when the first of them is due: zero where one
// waits for its first try.
type QueueDue struct {
	Queue string
	DueAt time.Time
}

// Deliveries are messages on their way out, and the log of every try. A process that sends hears of
// new ones through Watcher.
type Deliveries interface {
	// Create writes deliveries. Those that are pending are due at once.
	Create(ctx context.Context, ds ...latchkey.Delivery) error
	Get(ctx context.Context, id latchkey.DeliveryID) (latchkey.Delivery, error)
	// Untried lists a queue's pending deliveries that were never tried, by Ordinal, Sequence and ID.
	Untried(ctx context.Context, queue string, limit int) ([]latchkey.Delivery, error)
	// Due lists a queue's pending deliveries that were tried and whose DueAt has come, oldest first.
	Due(ctx context.Context, queue string, now time.Time, limit int) ([]latchkey.Delivery, error)
	// Queues lists every queue in which deliveries are pending.
	Queues(ctx context.Context) ([]QueueDue, error)
	// NextRetry is when the first retry of the queue is due; zero where there is none.
	NextRetry(ctx context.Context, queue string) (time.Time, error)
	// Record adds tries and writes status, count of attempts and DueAt of their deliveries, together.
	// A try is left out whose number is not the next, or whose delivery is gone or no longer pending.
	Record(ctx context.Context, tries ...Tried) error
	// Cancel ends up to limit pending deliveries of the queue, and returns how many.
	Cancel(ctx context.Context, queue string, now time.Time, limit int) (int, error)
	// ByLink lists the deliveries of a link, oldest first.
	ByLink(ctx context.Context, app latchkey.ApplicationID, id latchkey.LinkID) ([]latchkey.Delivery, error)
	// ByEndpoint lists the deliveries of an endpoint, newest first.
	ByEndpoint(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, p Page) ([]latchkey.Delivery, error)
	Attempts(ctx context.Context, id latchkey.DeliveryID) ([]latchkey.Attempt, error)
	// AttemptsOf lists the tries of an endpoint's deliveries from oldest to newest, both included.
	AttemptsOf(ctx context.Context, app latchkey.ApplicationID, id latchkey.EndpointID, oldest, newest latchkey.DeliveryID) ([]latchkey.Attempt, error)
	// DeleteFinished removes deliveries that ended before the time, with their tries.
	DeleteFinished(ctx context.Context, before time.Time, limit int) (int, error)
}

// Watcher tells of queues in which deliveries were committed, by this process or by others. It may
// tell too much (no queues at all mean that any may have some), and after trouble too little: who
// sends also looks now and then.
type Watcher interface {
	Watch(ctx context.Context, tell func(queues []string)) error
}

// Shares of standing work, such as queues, belong to one of the processes on the database at a time.
// Nobody compares clocks: who lives raises its beat, and whose beat stands still for others' time is
// dead.
type Shares interface {
	// Beat raises the beat of a member, who may be new, and of its shares; and returns everybody's.
	Beat(ctx context.Context, member string) (Roll, error)
	// Take gives a share to a member where it still is as it was seen; else ErrStale.
	Take(ctx context.Context, was Share, member string) error
	// Release gives a member's share back.
	Release(ctx context.Context, number int, member string) error
	// Forget removes a member where its beat still is as it was seen, else ErrStale; its shares are
	// free then.
	Forget(ctx context.Context, was Member) error
	// Leave removes the member, whatever its beat.
	Leave(ctx context.Context, member string) error
}

// Roll is who is there and who has what.
type Roll struct {
	Members []Member
	Shares  []Share
}

// Member is a process that shares work.
type Member struct {
	ID   string
	Beat int64
}

// Share is one part of the work; Owner is empty while nobody has it.
type Share struct {
	Number int
	Owner  string
	Beat   int64
}
