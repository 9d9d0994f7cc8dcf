// An app on Bolt for JavaScript in Socket Mode, written the way its guide shows; what it is asked to do: ../README.md.
const { App, SocketModeReceiver } = require('@slack/bolt');
const { version } = require('@slack/bolt/package.json');

const clientOptions = { slackApiUrl: process.env.SLACK_API_URL };

function report(step, facts = {}) {
  process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`);
}

const receiver = new SocketModeReceiver({
  appToken: process.env.SLACK_APP_TOKEN,
  installerOptions: { clientOptions },
});
const app = new App({ token: process.env.SLACK_BOT_TOKEN, receiver, clientOptions });

app.event('app_mention', async ({ event, say }) => {
  await say(`you called: ${event.text.split('> ')[1]}`);
});

app.message(/^ask /, async ({ message, say }) => {
  report('message', { text: message.text, channel_type: message.channel_type });
  await say(`answer to ${message.text.slice('ask '.length)}`);
});

report('start', { version });
app.start().then(() => report('connect', { ok: true }));
