// An app on Bolt for JavaScript, written the way its guide shows; what it is asked to do: ../README.md.
// It gets events and requests in Socket Mode, or over HTTP if PORT is set.
const { App, HTTPReceiver, SocketModeReceiver } = require('@slack/bolt');
const { version } = require('@slack/bolt/package.json');

const clientOptions = { slackApiUrl: process.env.SLACK_API_URL };

function report(step, facts = {}) {
  process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`);
}

const port = process.env.PORT;
const receiver = port
  ? new HTTPReceiver({ signingSecret: process.env.SLACK_SIGNING_SECRET, installerOptions: { clientOptions } })
  : new SocketModeReceiver({ appToken: process.env.SLACK_APP_TOKEN, installerOptions: { clientOptions } });
const app = new App({ token: process.env.SLACK_BOT_TOKEN, receiver, clientOptions });

app.event('app_mention', async ({ event, say }) => {
  await say(`you called: ${event.text.split('> ')[1]}`);
});

app.message(/^ask /, async ({ message, say }) => {
  report('message', { text: message.text, channel_type: message.channel_type });
  await say(`answer to ${message.text.slice('ask '.length)}`);
});

const button = [
  { type: 'section', text: { type: 'mrkdwn', text: 'A ticket' } },
  {
    type: 'actions',
    elements: [{ type: 'button', action_id: 'take', text: { type: 'plain_text', text: 'Take' }, value: '7' }],
  },
];

const modal = (channel) => ({
  type: 'modal',
  callback_id: 'ticket',
  private_metadata: channel,
  title: { type: 'plain_text', text: 'Ticket' },
  submit: { type: 'plain_text', text: 'File' },
  blocks: [
    {
      type: 'input',
      block_id: 'title',
      label: { type: 'plain_text', text: 'Title' },
      element: { type: 'plain_text_input', action_id: 'text' },
    },
  ],
});

app.command('/ticket', async ({ command, ack, say }) => {
  await ack(`got ${command.text}`);
  if (command.text === 'button') await say({ text: 'A ticket', blocks: button });
});

app.action('take', async ({ body, ack, client, respond }) => {
  await ack();
  await client.views.open({ trigger_id: body.trigger_id, view: modal(body.channel.id) });
  await respond({ text: `taken ${body.actions[0].value}`, replace_original: true });
});

app.view('ticket', async ({ view, ack, client }) => {
  const title = view.state.values.title.text.value;
  if (title === 'no') {
    await ack({ response_action: 'errors', errors: { title: 'too short' } });
    return;
  }
  await ack();
  await client.chat.postMessage({ channel: view.private_metadata, text: `filed ${title}` });
});

report('start', { version });
app.start(port && Number(port)).then(() => report('connect', { ok: true }));
