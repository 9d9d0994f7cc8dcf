// A test of a bot in Node.js, without packages: it seeds a workspace, speaks as a user and waits for the answer.
//
//     tautwire serve --json --data workspace      # prints control.url and control.secret, and api_url
//     CONTROL_URL=... CONTROL_SECRET=... SLACK_API_URL=... node --test control_api.test.mjs

import assert from 'node:assert/strict';
import { test } from 'node:test';

const { CONTROL_URL, CONTROL_SECRET, SLACK_API_URL } = process.env;

async function control(operation, args = {}) {
  const response = await fetch(CONTROL_URL + operation, {
    method: 'POST',
    headers: { authorization: `Bearer ${CONTROL_SECRET}` },
    body: JSON.stringify(args),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${operation}: ${answer.error.message}`);
  return answer;
}

// The bot under test. Yours runs by itself and gets the message over RTM or Socket Mode.
async function bot(token, message) {
  await fetch(`${SLACK_API_URL}chat.postMessage`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ channel: message.channel, thread_ts: message.ts, text: `You said: ${message.text}` }),
  });
}

test('the bot answers in the thread', async () => {
  const { bot: { id }, token } = await control('bot.add', { name: 'echobot' });
  await control('user.add', { name: 'zoe' });
  await control('channel.add', { name: 'lab', members: ['zoe', 'echobot'] });

  const asked = await control('say', { user: 'zoe', channel: 'lab', text: 'hello' });
  await bot(token, { channel: asked.channel, ts: asked.ts, text: 'hello' });

  // From the position before the question: the answer is found, however fast it was.
  const { message } = await control('wait', { channel: 'lab', user: 'echobot', after: asked.position });
  assert.equal(message.text, 'You said: hello');
  assert.equal(message.user, id);
  assert.equal(message.thread_ts, asked.ts);
});

test('a message that does not come shows what came instead', async () => {
  const { position } = await control('say', { user: 'zoe', channel: 'lab', text: 'anybody here?' });

  const { message, transcript } = await control('wait', { user: 'echobot', after: position, timeout: 0.1 });

  assert.equal(message, null);
  assert.deepEqual(transcript.map((line) => `${line.user}: ${line.text}`), ['zoe: anybody here?']);
});

test('a mistake is explained', async () => {
  await assert.rejects(control('say', { user: 'zoe', channel: 'lub', text: 'hello' }), /did you mean lab/);
});
