// A bot on slack-go's RTM client, written the way its examples show; what it is asked to do: ../README.md.
package main

import (
	"encoding/json"
	"net/url"
	"os"
	"runtime/debug"
	"strings"

	"github.com/slack-go/slack"
)

type facts map[string]any

func report(step string, more facts) {
	line := facts{"step": step}
	for name, value := range more {
		line[name] = value
	}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		panic(err)
	}
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/slack-go/slack" {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return "unknown"
}

func main() {
	report("start", facts{"version": version()})
	api := slack.New(os.Getenv("SLACK_BOT_TOKEN"), slack.OptionAPIURL(os.Getenv("SLACK_API_URL")))
	// This client asks for batched presence in the query of the WebSocket URL, as in its own example.
	rtm := api.NewRTM(slack.RTMOptionConnParams(url.Values{"batch_presence_aware": {"1"}}))
	go rtm.ManageConnection()

	saidID := 0
	for event := range rtm.IncomingEvents {
		switch data := event.Data.(type) {
		case *slack.ConnectedEvent:
			report("connect", facts{"ok": data.Info.User.ID != "" && data.Info.Team.ID != ""})
		case *slack.HelloEvent:
			report("hello", nil)
		case *slack.MessageEvent:
			report("message", facts{"user": data.User, "channel": data.Channel, "text": data.Text, "ts": data.Timestamp})
			word, rest, _ := strings.Cut(data.Text, " ")
			switch word {
			case "say":
				message := rtm.NewOutgoingMessage(rest, data.Channel)
				saidID = message.ID
				rtm.SendMessage(message)
			case "type":
				rtm.SendMessage(rtm.NewTypingMessage(data.Channel))
			case "watch":
				subscription := rtm.NewSubscribeUserPresence([]string{data.User})
				rtm.SendMessage(subscription)
				rtm.SendMessage(&slack.OutgoingMessage{Type: "presence_query", IDs: subscription.IDs})
			case "leave":
				if err := rtm.Disconnect(); err != nil {
					panic(err)
				}
			}
		case *slack.AckMessage:
			report("ack", facts{"ok": data.Ok && data.ReplyTo == saidID, "ts": data.Timestamp, "text": data.Text})
		case *slack.UserTypingEvent:
			report("user_typing", facts{"user": data.User, "channel": data.Channel})
		case *slack.PresenceChangeEvent:
			users := data.Users
			if len(users) == 0 {
				users = []string{data.User}
			}
			report("presence_change", facts{"users": users, "presence": data.Presence})
		case *slack.DisconnectedEvent:
			if data.Intentional {
				report("disconnect", nil)
				return
			}
		case *slack.InvalidAuthEvent:
			panic("invalid_auth")
		}
	}
}
