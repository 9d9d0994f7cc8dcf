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

socket.on('slash_commands', async ({ body, ack }) => {
  await ack({ text: `got ${body.text}` });
  if (body.text === 'button') {
    await web.chat.postMessage({ channel: body.channel_id, text: 'A ticket', blocks: button });
  }
});

socket.on('interactive', async ({ body, ack }) => {
  if (body.type === 'block_actions') {
    await ack();
    await web.views.open({ trigger_id: body.trigger_id, view: modal(body.channel.id) });
    const answer = { text: `taken ${body.actions[0].value}`, replace_original: true };
    await fetch(body.response_url, { method: 'POST', body: JSON.stringify(answer) });
  } else if (body.type === 'view_submission') {
    const title = body.view.state.values.title.text.value;
    if (title === 'no') {
      await ack({ response_action: 'errors', errors: { title: 'too short' } });
      return;
    }
    await ack();
    await web.chat.postMessage({ channel: body.view.private_metadata, text: `filed ${title}` });
  }
});

report('start', { version });
socket.start().then(() => report('connect', { ok: true }));
