// An app on slack-go's socketmode, written the way its example shows; what it is asked to do: ../README.md.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"
)

var line sync.Mutex

func report(step string, facts map[string]any) {
	record := map[string]any{"step": step}
	for name, fact := range facts {
		record[name] = fact
	}
	text, _ := json.Marshal(record)
	line.Lock()
	defer line.Unlock()
	fmt.Println(string(text))
}

func main() {
	api := slack.New(
		os.Getenv("SLACK_BOT_TOKEN"),
		slack.OptionAPIURL(os.Getenv("SLACK_API_URL")),
		slack.OptionAppLevelToken(os.Getenv("SLACK_APP_TOKEN")),
	)
	me, err := api.AuthTest()
	if err != nil {
		panic(err)
	}
	client := socketmode.New(api)
	say := func(channel, text string) {
		if _, _, err := api.PostMessage(channel, slack.MsgOptionText(text, false)); err != nil {
			panic(err)
		}
	}
	go func() {
		for event := range client.Events {
			switch event.Type {
			case socketmode.EventTypeHello:
				report("connect", map[string]any{"ok": true})
			case socketmode.EventTypeEventsAPI:
				client.Ack(*event.Request)
				outer := event.Data.(slackevents.EventsAPIEvent)
				switch inner := outer.InnerEvent.Data.(type) {
				case *slackevents.AppMentionEvent:
					_, called, _ := strings.Cut(inner.Text, "> ")
					say(inner.Channel, "you called: "+called)
				case *slackevents.MessageEvent:
					asked, found := strings.CutPrefix(inner.Text, "ask ")
					if found && inner.User != me.UserID {
						report("message", map[string]any{"text": inner.Text, "channel_type": inner.ChannelType})
						say(inner.Channel, "answer to "+asked)
					}
				}
			}
		}
	}()
	report("start", map[string]any{"version": "slack-go"})
	if err := client.Run(); err != nil {
		panic(err)
	}
}
