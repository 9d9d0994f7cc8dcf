// Tests of an app in Go: they start a workspace, speak as a person, and wait for what the app does.
//
//	go test ./...        # tautwire must be on the path, or TAUTWIRE must name it
package desk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// workspace is what `tautwire serve --json` prints.
type workspace struct {
	APIURL  string `json:"api_url"`
	Control struct {
		URL    string `json:"url"`
		Secret string `json:"secret"`
	} `json:"control"`
	Apps map[string]struct {
		BotToken string `json:"bot_token"`
		AppToken string `json:"app_token"`
	} `json:"apps"`
}

// serve starts a workspace of its own for a test.
func serve(t *testing.T) workspace {
	t.Helper()
	name := os.Getenv("TAUTWIRE")
	if name == "" {
		name = "tautwire"
	}
	server := exec.Command(name, "serve", "--json", "--control", "on", "--port", "0",
		"--data", t.TempDir(), "--seed", "seed.yaml")
	server.Stderr = os.Stderr
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	})
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err != nil {
		t.Fatal("the server ended before it served: ", err)
	}
	var served workspace
	if err := json.Unmarshal(line, &served); err != nil {
		t.Fatal(err)
	}
	return served
}

type arguments map[string]any

// control carries out an operation of the control API and decodes its answer.
func (served workspace) control(t *testing.T, operation string, given arguments, answer any) {
	t.Helper()
	body, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, served.Control.URL+operation, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+served.Control.Secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		var refused struct{ Error struct{ Message string } }
		_ = json.NewDecoder(response.Body).Decode(&refused)
		t.Fatalf("%s: %d %s", operation, response.StatusCode, refused.Error.Message)
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		t.Fatal(err)
	}
}

// start runs the app until the test ends.
func start(t *testing.T, served workspace) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	app := served.Apps["desk"]
	go func() { ended <- Run(ctx, served.APIURL, app.BotToken, app.AppToken) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

type message struct {
	Text string `json:"text"`
	TS   string `json:"ts"`
}

func TestTheAppAnswersAQuestion(t *testing.T) {
	served := serve(t)
	start(t, served)
	var asked struct {
		Position string `json:"position"`
	}
	served.control(t, "say", arguments{"user": "alice", "channel": "general", "text": "ask why"}, &asked)

	// From the position of the question: the answer is found, however fast it was. An app that was not
	// connected yet gets the question later.
	var waited struct {
		Message    *message          `json:"message"`
		Transcript []json.RawMessage `json:"transcript"`
	}
	served.control(t, "wait", arguments{
		"channel": "general", "user": "desk", "after": asked.Position, "timeout": 20}, &waited)

	if waited.Message == nil {
		t.Fatalf("the app did not answer; what came instead: %s", waited.Transcript)
	}
	if waited.Message.Text != "You asked: why" {
		t.Errorf("the app answered %q", waited.Message.Text)
	}
}

func TestTheAppFilesATicket(t *testing.T) {
	served := serve(t)
	var begin struct {
		Journal string `json:"journal"`
	}
	served.control(t, "position", arguments{}, &begin)
	start(t, served)
	// A command needs an app that is connected: so wait for that, from before the start.
	served.control(t, "wait", arguments{
		"kind": "connection", "state": "connected", "app": "desk",
		"after_entry": begin.Journal, "timeout": 20}, &struct{}{})

	var shown json.RawMessage
	served.control(t, "command", arguments{
		"user": "alice", "channel": "general", "text": "/ticket printer"}, &shown)

	if !strings.Contains(string(shown), "Ticket: printer") {
		t.Error(fmt.Sprintf("alice saw %s", shown))
	}
}
