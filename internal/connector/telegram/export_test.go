package telegram

// NormalPhone opens normalPhone.
func NormalPhone(s string) (string, bool) { return normalPhone(s) }
