// Package desk is a small app on slack-go in Socket Mode. It knows nothing of tautwire; desk_test.go tests it.
package desk

import (
	"context"
	"strings"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"
)

// Run answers "ask …" and /ticket until the context ends.
func Run(ctx context.Context, apiURL, botToken, appToken string) error {
	api := slack.New(botToken, slack.OptionAPIURL(apiURL), slack.OptionAppLevelToken(appToken))
	client := socketmode.New(api)
	go func() {
		for event := range client.Events {
			switch event.Type {
			case socketmode.EventTypeSlashCommand:
				command := event.Data.(slack.SlashCommand)
				client.Ack(*event.Request, map[string]string{"text": "Ticket: " + command.Text})
			case socketmode.EventTypeEventsAPI:
				client.Ack(*event.Request)
				outer := event.Data.(slackevents.EventsAPIEvent)
				message, isMessage := outer.InnerEvent.Data.(*slackevents.MessageEvent)
				if !isMessage || message.BotID != "" {
					continue
				}
				if question, isQuestion := strings.CutPrefix(message.Text, "ask "); isQuestion {
					_, _, _ = api.PostMessageContext(
						ctx, message.Channel, slack.MsgOptionText("You asked: "+question, false))
				}
			}
		}
	}()
	return client.RunContext(ctx)
}
