// Tests of an app in Node.js: they start a workspace, speak as a person, and wait for what the app does.
//
//     npm ci && node --test        # tautwire must be on the path, or TAUTWIRE must name it

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

import { start } from './desk.mjs';

let data;
let server;
let served;
let app;

async function control(operation, args = {}) {
  const response = await fetch(served.control.url + operation, {
    method: 'POST',
    headers: { authorization: `Bearer ${served.control.secret}` },
    body: JSON.stringify(args),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${operation}: ${answer.error.message}`);
  return answer;
}

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'desk-'));
  const options = ['--json', '--control', 'on', '--port', '0', '--data', data, '--seed', 'seed.yaml'];
  server = spawn(process.env.TAUTWIRE ?? 'tautwire', ['serve', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: server.stdout })) {
    served = JSON.parse(line);
    break;
  }
  const { bot_token: botToken, app_token: appToken } = served.apps.desk;
  app = await start(served.api_url, botToken, appToken);
});

after(async () => {
  await app?.stop();
  server.kill();
  await rm(data, { recursive: true, force: true });
});

test('the app answers a question', async () => {
  const asked = await control('say', { user: 'alice', channel: 'general', text: 'ask why' });

  // From the position of the question: the answer is found, however fast it was.
  const { message, transcript } = await control('wait', {
    channel: 'general', user: 'desk', after: asked.position, timeout: 20,
  });

  assert.equal(message?.text, 'You asked: why', JSON.stringify(transcript));
});

test('the app files a ticket', async () => {
  const shown = await control('command', {
    user: 'alice', channel: 'general', text: '/ticket printer',
  });

  assert.match(JSON.stringify(shown), /Ticket: printer/);
});
