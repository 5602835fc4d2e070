package signin

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"latchkey"
	"latchkey/internal/errs"
	"latchkey/internal/store"
)

// Budgets an hour. At six digits, twenty guesses are one chance in 50,000 for an address, and 5,000 are
// one in 200 that some address of the application falls.
const (
	sendsPerAddress   = 20
	sendsPerNetwork   = 100
	defaultSends      = 100_000
	guessesPerAddress = 20
	guessesPerNetwork = 60
	defaultGuesses    = 5_000
	maxPerHour        = 10_000_000
)

// window is what budgets are counted in.
const window = time.Hour

// shards spread the count of a busy application over rows, so that its sign-ins do not wait for one
// another's commit. Each shard has its part of the budget.
const shards = 16

// allowance is one budget.
type allowance struct {
	bucket string
	most   int
}

// allowances are the budgets that an act on a sign-in counts against; what is "send" or "guess". A device
// that is familiar with the address counts for itself: nobody else can use up what is its own.
func (s *Service) allowances(what string, v latchkey.SignIn, bucket string, perAddress, perNetwork, perApplication int) []allowance {
	name := func(parts ...string) string {
		data := what + "|" + string(v.ApplicationID)
		for _, p := range parts {
			data += "|" + p
		}
		return "signin:" + s.label("signin/bucket/v1", data)
	}
	if v.Familiar != "" {
		return []allowance{{name("device", v.Familiar), perAddress}}
	}
	out := []allowance{{name("address", bucket), perAddress}}
	if v.Network != "" {
		out = append(out, allowance{name("network", v.Network), perNetwork})
	}
	shard := strconv.Itoa(rand.IntN(shards)) //nolint:gosec // spreading needs no secrecy
	return append(out, allowance{name("application", shard), (perApplication + shards - 1) / shards})
}

func (s *Service) sends(v latchkey.SignIn, bucket string, set Settings) []allowance {
	most := defaultSends
	if set.SendsPerHour > 0 {
		most = set.SendsPerHour
	}
	return s.allowances("send", v, bucket, sendsPerAddress, sendsPerNetwork, most)
}

func (s *Service) guesses(v latchkey.SignIn, bucket string, set Settings) []allowance {
	most := defaultGuesses
	if set.GuessesPerHour > 0 {
		most = set.GuessesPerHour
	}
	return s.allowances("guess", v, bucket, guessesPerAddress, guessesPerNetwork, most)
}

// spend counts against every budget and tells whether all of them had something left.
func spend(ctx context.Context, tx store.Tx, budgets []allowance, now time.Time) (bool, error) {
	left := true
	for _, b := range budgets {
		n, err := tx.Tries().Count(ctx, b.bucket, window, now)
		if err != nil {
			return false, err
		}
		left = left && n <= b.most
	}
	return left, nil
}

// forgive gives back what a right code was counted as.
func forgive(ctx context.Context, tx store.Tx, budgets []allowance, now time.Time) error {
	for _, b := range budgets {
		if err := tx.Tries().Forgive(ctx, b.bucket, window, now); err != nil {
			return err
		}
	}
	return nil
}

// tooMany says when the window ends. It says the same whatever the address.
func tooMany(now time.Time) error {
	return &errs.Error{
		Kind: errs.TooMany, Code: errs.CodeTooManyRequests, RetryAfter: now.Truncate(window).Add(window).Sub(now),
		Detail: "That was asked for too often. Wait as long as Retry-After says, then go on.",
	}
}
