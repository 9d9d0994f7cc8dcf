// A small app on Bolt for JavaScript in Socket Mode. It knows nothing of tautwire; desk.test.mjs tests it.
import bolt from '@slack/bolt';

const closeButton = (value) => ({
  type: 'actions',
  elements: [{ type: 'button', action_id: 'close', text: { type: 'plain_text', text: 'Close' }, value }],
});

export async function start(slackApiUrl, token, appToken) {
  const clientOptions = { slackApiUrl };
  const receiver = new bolt.SocketModeReceiver({ appToken, installerOptions: { clientOptions } });
  const app = new bolt.App({ token, receiver, clientOptions });

  app.message(/^ask /, async ({ message, say }) => {
    await say(`You asked: ${message.text.slice('ask '.length)}`);
  });

  app.command('/ticket', async ({ command, ack }) => {
    await ack({ response_type: 'in_channel', text: `Ticket: ${command.text}`, blocks: [closeButton(command.text)] });
  });

  app.action('close', async ({ action, ack, respond }) => {
    await ack();
    await respond({ replace_original: true, text: `Closed: ${action.value}` });
  });

  await app.start();
  return app;
}
