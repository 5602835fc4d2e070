// Package storetest is the suite that every implementation of store passes: each promise of the
// contract, alone and under concurrency. It knows no implementation.
package storetest
