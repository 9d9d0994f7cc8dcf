// Package desk is a small app on slack-go in Socket Mode. It knows nothing of tautwire; desk_test.go tests it.
package desk

import (
	"context"
	"log"
	"strings"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"
)

// Run answers "ask …", /ticket and the button of a ticket until the context ends.
func Run(ctx context.Context, apiURL, botToken, appToken string) error {
	api := slack.New(botToken, slack.OptionAPIURL(apiURL), slack.OptionAppLevelToken(appToken))
	client := socketmode.New(api)
	go func() {
		for event := range client.Events {
			switch data := event.Data.(type) {
			case slackevents.EventsAPIEvent:
				client.Ack(*event.Request)
				if message, ok := data.InnerEvent.Data.(*slackevents.MessageEvent); ok && message.BotID == "" {
					reply(ctx, api, message)
				}
			case slack.SlashCommand:
				client.Ack(*event.Request, ticket(data.Text))
			case slack.InteractionCallback:
				client.Ack(*event.Request)
				closed := &slack.WebhookMessage{
					ReplaceOriginal: true, Text: "Closed: " + data.ActionCallback.BlockActions[0].Value}
				report(slack.PostWebhookContext(ctx, data.ResponseURL, closed))
			}
		}
	}()
	return client.RunContext(ctx)
}

func reply(ctx context.Context, api *slack.Client, message *slackevents.MessageEvent) {
	if question, found := strings.CutPrefix(message.Text, "ask "); found {
		text := slack.MsgOptionText("You asked: "+question, false)
		_, _, err := api.PostMessageContext(ctx, message.Channel, text)
		report(err)
	}
}

func ticket(title string) map[string]any {
	button := slack.NewButtonBlockElement(
		"close", title, slack.NewTextBlockObject(slack.PlainTextType, "Close", false, false))
	return map[string]any{
		"response_type": slack.ResponseTypeInChannel,
		"text":          "Ticket: " + title,
		"blocks":        []slack.Block{slack.NewActionBlock("", button)},
	}
}

func report(err error) {
	if err != nil {
		log.Print(err)
	}
}
