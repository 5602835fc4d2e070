package dovecottest

import "testing"

// TestSetPassword logs in with passwords that are not ASCII, and is refused with the old one.
func TestSetPassword(t *testing.T) {
	t.Parallel()
	const user, old, next = "maria@house.test", `früher: "alt"`, "später €"
	s := Start(t, Config{Users: map[string]string{user: old}})
	if err := s.login(user, old); err != nil {
		t.Fatalf("%v\n%s", err, s.Log())
	}
	s.SetPassword(t, user, next)
	s.SetPassword(t, "karl@house.test", "another")
	if err := s.login(user, old); err == nil {
		t.Error("the old password still works")
	}
	if err := s.login(user, next); err != nil {
		t.Errorf("%v\n%s", err, s.Log())
	}
}
