// An app on @slack/socket-mode without a framework, written the way its guide shows; what it is asked to do: ../README.md.
const { SocketModeClient } = require('@slack/socket-mode');
const { WebClient } = require('@slack/web-api');
const { version } = require('@slack/socket-mode/package.json');

const clientOptions = { slackApiUrl: process.env.SLACK_API_URL };
const web = new WebClient(process.env.SLACK_BOT_TOKEN, clientOptions);
const socket = new SocketModeClient({ appToken: process.env.SLACK_APP_TOKEN, clientOptions });

function report(step, facts = {}) {
  process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`);
}

socket.on('app_mention', async ({ event, ack }) => {
  await ack();
  await web.chat.postMessage({ channel: event.channel, text: `you called: ${event.text.split('> ')[1]}` });
});

socket.on('message', async ({ event, ack }) => {
  await ack();
  if (event.subtype || event.bot_id || !event.text.startsWith('ask ')) return;
  report('message', { text: event.text, channel_type: event.channel_type });
  await web.chat.postMessage({ channel: event.channel, text: `answer to ${event.text.slice('ask '.length)}` });
});

report('start', { version });
socket.start().then(() => report('connect', { ok: true }));
