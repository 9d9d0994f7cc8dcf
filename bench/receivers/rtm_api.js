// Counts events with @slack/rtm-api, used the way its guide shows.
const { RTMClient } = require('@slack/rtm-api');
const { version } = require('@slack/rtm-api/package.json');

const EVENTS = Number(process.env.EVENTS);
const rtm = new RTMClient(process.env.SLACK_BOT_TOKEN, { slackApiUrl: process.env.SLACK_API_URL });
let count = 0;
let characters = 0;

rtm.on('message', (event) => {
  count += 1;
  characters += event.text.length;
  if (count === EVENTS) {
    process.stdout.write(`${count} ${characters}\n`);
    count = 0;
    characters = 0;
  }
});

process.stdout.write(`${version}\n`);
rtm.start();
