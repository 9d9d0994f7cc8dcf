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

func text(kind, words string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(kind, words, false, false)
}

func button() slack.MsgOption {
	take := slack.NewButtonBlockElement("take", "7", text("plain_text", "Take"))
	return slack.MsgOptionBlocks(
		slack.NewSectionBlock(text("mrkdwn", "A ticket"), nil, nil), slack.NewActionBlock("", take))
}

func modal(channel string) slack.ModalViewRequest {
	title := slack.NewPlainTextInputBlockElement(nil, "text")
	return slack.ModalViewRequest{
		Type:            slack.VTModal,
		CallbackID:      "ticket",
		PrivateMetadata: channel,
		Title:           text("plain_text", "Ticket"),
		Submit:          text("plain_text", "File"),
		Blocks: slack.Blocks{BlockSet: []slack.Block{
			slack.NewInputBlock("title", text("plain_text", "Title"), nil, title),
		}},
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// interact answers a click on the button, and the modal that it opens.
func interact(api *slack.Client, client *socketmode.Client, event socketmode.Event) {
	asked := event.Data.(slack.InteractionCallback)
	switch asked.Type {
	case slack.InteractionTypeBlockActions:
		client.Ack(*event.Request)
		_, err := api.OpenView(asked.TriggerID, modal(asked.Channel.ID))
		must(err)
		answer := &slack.WebhookMessage{
			Text: "taken " + asked.ActionCallback.BlockActions[0].Value, ReplaceOriginal: true}
		must(slack.PostWebhook(asked.ResponseURL, answer))
	case slack.InteractionTypeViewSubmission:
		title := asked.View.State.Values["title"]["text"].Value
		if title == "no" {
			client.Ack(*event.Request, slack.NewErrorsViewSubmissionResponse(map[string]string{"title": "too short"}))
			return
		}
		client.Ack(*event.Request)
		_, _, err := api.PostMessage(asked.View.PrivateMetadata, slack.MsgOptionText("filed "+title, false))
		must(err)
	}
}

func main() {
	api := slack.New(
		os.Getenv("SLACK_BOT_TOKEN"),
		slack.OptionAPIURL(os.Getenv("SLACK_API_URL")),
		slack.OptionAppLevelToken(os.Getenv("SLACK_APP_TOKEN")),
	)
	me, err := api.AuthTest()
	must(err)
	client := socketmode.New(api)
	say := func(channel, words string) {
		_, _, err := api.PostMessage(channel, slack.MsgOptionText(words, false))
		must(err)
	}
	go func() {
		for event := range client.Events {
			switch event.Type {
			case socketmode.EventTypeHello:
				report("connect", map[string]any{"ok": true})
			case socketmode.EventTypeSlashCommand:
				command := event.Data.(slack.SlashCommand)
				client.Ack(*event.Request, map[string]string{"text": "got " + command.Text})
				if command.Text == "button" {
					_, _, err := api.PostMessage(command.ChannelID, slack.MsgOptionText("A ticket", false), button())
					must(err)
				}
			case socketmode.EventTypeInteractive:
				interact(api, client, event)
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
	must(client.Run())
}
