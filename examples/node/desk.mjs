// A small app on Bolt for JavaScript in Socket Mode. It knows nothing of tautwire; desk.test.mjs tests it.
import bolt from '@slack/bolt';

export async function start(slackApiUrl, token, appToken) {
  const clientOptions = { slackApiUrl };
  const receiver = new bolt.SocketModeReceiver({ appToken, installerOptions: { clientOptions } });
  const app = new bolt.App({ token, receiver, clientOptions });

  app.message(/^ask /, async ({ message, say }) => {
    await say(`You asked: ${message.text.slice('ask '.length)}`);
  });

  app.command('/ticket', async ({ command, ack }) => {
    await ack(`Ticket: ${command.text}`);
  });

  await app.start();
  return app;
}
