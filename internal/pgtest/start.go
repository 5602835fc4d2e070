package pgtest

// Start starts a server for a program that is no test, such as a benchmark, and returns the URL of an
// empty database on it. With flush it writes as durably as a server in use. It dies with the process.
func Start(flush bool) (string, error) {
	u, err := startServer(flush)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}
