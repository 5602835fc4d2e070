package hosted

import (
	"log/slog"

	"latchkey"
	"latchkey/internal/connector"
)

// logFlow names a flow in a log line. It never names its link's token, its values or its state.
func logFlow(f latchkey.Flow, cause error) []any {
	out := []any{
		slog.String("flow_id", string(f.ID)), slog.String("link_id", string(f.LinkID)),
		slog.String("application_id", string(f.ApplicationID)), slog.String("provider", string(f.Provider)),
		slog.String("step_id", f.StepID),
	}
	if cause != nil {
		out = append(out, slog.String("cause", cause.Error()))
	}
	return out
}

func logFailure(f latchkey.Flow, x connector.Failure) []any {
	return append(logFlow(f, nil), slog.String("code", string(x.Code)), slog.String("detail", x.Detail))
}

func logInterrupt(w *connector.Work, runs int) []any {
	return []any{slog.String("work", w.Name), slog.String("on_interrupt", string(w.Interrupt)), slog.Int("runs", runs)}
}
