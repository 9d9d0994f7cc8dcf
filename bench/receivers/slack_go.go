// Counts events with slack-go, used the way its examples show.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/slack-go/slack"
)

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
	events, err := strconv.Atoi(os.Getenv("EVENTS"))
	if err != nil {
		panic(err)
	}
	fmt.Println(version())
	api := slack.New(os.Getenv("SLACK_BOT_TOKEN"), slack.OptionAPIURL(os.Getenv("SLACK_API_URL")))
	rtm := api.NewRTM()
	go rtm.ManageConnection()

	count, characters := 0, 0
	for event := range rtm.IncomingEvents {
		if data, ok := event.Data.(*slack.MessageEvent); ok {
			count++
			characters += len(data.Text)
			if count == events {
				fmt.Println(count, characters)
				count, characters = 0, 0
			}
		}
	}
}
