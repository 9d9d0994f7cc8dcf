// Tests of an app in Go: they start a workspace, act as a person, and wait for what the app does.
//
//	go test ./...        # tautwire must be on the path, or TAUTWIRE must name it
package desk

import (
	"context"
	"testing"
)

// start runs the app until the test ends, and returns when it is connected.
func start(t *testing.T) workspace {
	t.Helper()
	served := serve(t)
	before := served.operate(t, "position", args{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	app := served.Apps["desk"]
	go func() { ended <- Run(ctx, served.APIURL, app.BotToken, app.AppToken) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	served.operate(t, "wait", args{"kind": "connection", "app": "desk", "after_entry": before.Journal, "timeout": 20})
	return served
}

func TestTheAppAnswersAQuestion(t *testing.T) {
	served := start(t)

	asked := served.operate(t, "say", args{"user": "alice", "channel": "general", "text": "ask why"})

	// From the position before the question: the answer is found, however fast it was.
	waited := served.operate(t, "wait", args{"user": "desk", "after": asked.Position})
	if waited.Message == nil || waited.Message.Text != "You asked: why" {
		t.Fatalf("got %v; what came instead: %s", waited.Message, waited.Transcript)
	}
}

func TestTheAppFilesATicketAndClosesIt(t *testing.T) {
	served := start(t)

	used := served.operate(t, "command", args{"user": "alice", "channel": "general", "text": "/ticket printer"})
	ticket := used.Shown[len(used.Shown)-1]
	if ticket.Text != "Ticket: printer" {
		t.Fatalf("alice saw %q", ticket.Text)
	}

	clicked := served.operate(t, "click", args{
		"user": "alice", "channel": "general", "ts": ticket.TS, "action_id": "close"})

	waited := served.operate(t, "wait", args{
		"kind": "edit", "equals": "Closed: printer", "after": clicked.Position})
	if waited.Message == nil {
		t.Fatalf("the ticket was not closed; what came instead: %s", waited.Transcript)
	}
}
