// Tests of an app in Node.js: they start a workspace, act as a person, and wait for what the app does.
//
//     npm ci && node --test        # tautwire must be on the path, or TAUTWIRE must name it

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { start } from './desk.mjs';
import { Workspace } from './workspace.mjs';

const alice = { user: 'alice', channel: 'general' };
let workspace;
let app;

before(async () => {
  workspace = await Workspace.start('seed.yaml');
  const { bot_token: botToken, app_token: appToken } = workspace.apps.desk;
  app = await start(workspace.api_url, botToken, appToken);
});

after(async () => {
  await app?.stop();
  await workspace?.stop();
});

test('the app answers a question', async () => {
  const asked = await workspace.operate('say', { ...alice, text: 'ask why' });

  // From the position before the question: the answer is found, however fast it was.
  const { message, transcript } = await workspace.operate('wait', { user: 'desk', after: asked.position });

  assert.equal(message?.text, 'You asked: why', JSON.stringify(transcript));
});

test('the app files a ticket and closes it', async () => {
  const { shown } = await workspace.operate('command', { ...alice, text: '/ticket printer' });
  const ticket = shown.at(-1);
  assert.equal(ticket.text, 'Ticket: printer');

  const clicked = await workspace.operate('click', { ...alice, ts: ticket.ts, action_id: 'close' });

  const edit = { kind: 'edit', equals: 'Closed: printer', after: clicked.position };
  const { message, transcript } = await workspace.operate('wait', edit);
  assert.ok(message, JSON.stringify(transcript));
});
