package desk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"testing"
)

// workspace is one that a test starts, drives and stops: what `tautwire serve --json` prints.
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

type args map[string]any

// answer has what the tests read of the answers of all operations.
type answer struct {
	Position   string
	Journal    string
	Entry      json.RawMessage // of wait, for what is in the journal
	Message    *message        // of wait
	Transcript json.RawMessage // what came instead
	Shown      []message       // of command: what the person sees
}

type message struct{ Text, TS string }

// serve starts a workspace; tautwire must be on the path, or TAUTWIRE must name it.
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
	check(t, err)
	check(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	})
	var served workspace
	line, err := bufio.NewReader(output).ReadBytes('\n')
	check(t, err)
	check(t, json.Unmarshal(line, &served))
	return served
}

// operate carries out an operation of the control API.
func (served workspace) operate(t *testing.T, operation string, given args) (got answer) {
	t.Helper()
	body, err := json.Marshal(given)
	check(t, err)
	request, err := http.NewRequest(http.MethodPost, served.Control.URL+operation, bytes.NewReader(body))
	check(t, err)
	request.Header.Set("Authorization", "Bearer "+served.Control.Secret)
	response, err := http.DefaultClient.Do(request)
	check(t, err)
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		var refused struct{ Error struct{ Message string } }
		check(t, json.NewDecoder(response.Body).Decode(&refused))
		t.Fatalf("%s: %d %s", operation, response.StatusCode, refused.Error.Message)
	}
	check(t, json.NewDecoder(response.Body).Decode(&got))
	return got
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
