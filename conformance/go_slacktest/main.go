// slack-go's own fake server, moved by lines on its standard input: ../README.md.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/slack-go/slack/slacktest"
)

type facts map[string]any

func report(line facts) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		panic(err)
	}
}

func main() {
	server := slacktest.NewTestServer()
	server.Start()
	defer server.Stop()
	report(facts{"step": "start", "url": server.GetAPIURL()})
	// Unless somebody takes what it has seen, the server stops to read.
	go func() {
		for frame := range server.SeenFeed {
			report(facts{"step": "seen", "frame": frame})
		}
	}()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "frame":
			server.SendToWebsocket(rest)
		case "message":
			channel, text, _ := strings.Cut(rest, " ")
			server.SendMessageToChannel(channel, text)
		default:
			fmt.Fprintln(os.Stderr, "no such word:", word)
		}
	}
}
