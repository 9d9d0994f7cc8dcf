// A bot on slack-go, as its RTM example shows it: no address is given.
package main

import (
	"os"

	"github.com/slack-go/slack"
)

func main() {
	rtm := slack.New(os.Getenv("SLACK_BOT_TOKEN")).NewRTM()
	go rtm.ManageConnection()
	for event := range rtm.IncomingEvents {
		if message, ok := event.Data.(*slack.MessageEvent); ok && message.Text == "hello" {
			rtm.SendMessage(rtm.NewOutgoingMessage("hello from slack-go", message.Channel))
		}
	}
}
