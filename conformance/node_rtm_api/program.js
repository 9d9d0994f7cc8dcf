// A bot on @slack/rtm-api, written the way its guide shows; what it is asked to do: ../README.md.
const { RTMClient } = require('@slack/rtm-api');
const { version } = require('@slack/rtm-api/package.json');

const rtm = new RTMClient(process.env.SLACK_BOT_TOKEN, { slackApiUrl: process.env.SLACK_API_URL });

function report(step, facts = {}) {
  process.stdout.write(`${JSON.stringify({ step, ...facts })}\n`);
}

rtm.on('authenticated', (data) => report('connect', { ok: Boolean(data.self.id && data.team.id) }));
rtm.on('hello', () => report('hello'));
rtm.on('user_typing', ({ user, channel }) => report('user_typing', { user, channel }));
rtm.on('presence_change', ({ user, users, presence }) => {
  report('presence_change', { users: users || [user], presence });
});

rtm.on('message', async ({ user, channel, text, ts }) => {
  report('message', { user, channel, text, ts });
  const [word, ...rest] = text.split(' ');
  if (word === 'say') {
    const reply = await rtm.sendMessage(rest.join(' '), channel); // settles on the frame with its own reply_to
    report('ack', { ok: reply.ok, ts: reply.ts, text: reply.text });
  } else if (word === 'type') {
    await rtm.sendTyping(channel);
  } else if (word === 'watch') {
    await rtm.subscribePresence([user]);
    await rtm.addOutgoingEvent(false, 'presence_query', { ids: [user] });
  } else if (word === 'leave') {
    await rtm.disconnect();
    report('disconnect');
  }
});

report('start', { version });
rtm.start();
