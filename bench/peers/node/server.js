// Durable acks and fan-out over RTM, as one would write it by hand with ws and better-sqlite3.
// Environment: SEED, a JSON file of users and channels; DATA, the directory for the database.
'use strict';
const { createHash, createHmac, randomBytes, timingSafeEqual } = require('node:crypto');
const { readFileSync } = require('node:fs');
const { createServer } = require('node:http');
const Database = require('better-sqlite3');
const { Sender, WebSocketServer } = require('ws');

const db = new Database(`${process.env.DATA}/peer.db`);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec(`CREATE TABLE message (channel TEXT, ts TEXT, author TEXT, body BLOB, PRIMARY KEY (channel, ts)) WITHOUT ROWID;
         CREATE TABLE log (position INTEGER PRIMARY KEY, topic TEXT, payload BLOB);
         CREATE TABLE workspace (head INTEGER); INSERT INTO workspace VALUES (0);`);
const insertMessage = db.prepare('INSERT INTO message VALUES (?, ?, ?, ?)');
const insertEntry = db.prepare('INSERT INTO log VALUES (?, ?, ?)');
const setHead = db.prepare('UPDATE workspace SET head = ?');
const begin = db.prepare('BEGIN IMMEDIATE'), end = db.prepare('COMMIT');

const seed = JSON.parse(readFileSync(process.env.SEED, 'utf8'));
const users = {}, byHash = new Map(), channels = {}, members = new Map();
const digest = (token) => createHash('sha256').update(token).digest('base64');
seed.users.forEach(({ name }, number) => {
  const user = { id: `U${String(number).padStart(8, '0')}`, token: `xoxb-${randomBytes(24).toString('hex')}` };
  users[name] = user;
  byHash.set(digest(user.token), { id: user.id, name });
});
seed.channels.forEach(({ name, members: names }, number) => {
  channels[name] = `C${String(number).padStart(8, '0')}`;
  members.set(channels[name], new Set(names.map((each) => users[each].id)));
});

const secret = randomBytes(32), usedTickets = new Set();
const sign = (note) => createHmac('sha256', secret).update(note).digest('base64url');
function issue(user) {
  const note = Buffer.from(`${user}.${Date.now() + 30000}.${randomBytes(12).toString('hex')}`).toString('base64url');
  return `${note}.${sign(note)}`;
}
function redeem(ticket) {
  const [note, mac] = ticket.split('.');
  const expected = sign(note);
  if (!mac || mac.length !== expected.length || !timingSafeEqual(Buffer.from(mac), Buffer.from(expected))) return null;
  const [user, expires] = Buffer.from(note, 'base64url').toString().split('.');
  if (Number(expires) < Date.now() || usedTickets.has(ticket)) return null;
  usedTickets.add(ticket);
  return user;
}

const live = new Map(); // channel -> set of sockets
let head = 0, lastMicros = 0, waiting = [];
const textFrame = (text) => Buffer.concat(Sender.frame(Buffer.from(text), { fin: true, opcode: 1, mask: false, readOnly: false }));

function take(socket, data) {
  const frame = JSON.parse(data);
  if (frame.type !== 'message') return;
  if (!members.get(frame.channel)?.has(socket.user)) {
    socket.send(JSON.stringify({ ok: false, reply_to: frame.id, error: { code: -1, msg: 'channel_not_found' } }));
    return;
  }
  waiting.push({ socket, frame });
  if (waiting.length === 1) setImmediate(commit);
}

function commit() {
  const batch = waiting;
  waiting = [];
  begin.run();
  for (const post of batch) {
    lastMicros = Math.max(Date.now() * 1000, lastMicros + 1);
    const digits = String(lastMicros);
    const ts = `${digits.slice(0, -6)}.${digits.slice(-6)}`;
    const { channel, text } = post.frame;
    const body = { type: 'message', user: post.socket.user, text, ts, team: 'T00000001' };
    post.event = JSON.stringify({ ...body, channel, event_ts: ts });
    post.ts = ts;
    insertMessage.run(channel, ts, post.socket.user, JSON.stringify(body));
    insertEntry.run(++head, channel, post.event);
  }
  setHead.run(head);
  end.run();
  const dirty = new Set();
  const push = (socket, frame) => { socket.out.push(frame); dirty.add(socket); };
  for (const { socket, frame, event, ts } of batch) {
    const shared = textFrame(event);
    for (const other of live.get(frame.channel) ?? []) if (other !== socket) push(other, shared);
    push(socket, textFrame(JSON.stringify({ ok: true, reply_to: frame.id, ts, text: frame.text })));
  }
  for (const socket of dirty) {
    socket._socket.write(socket.out.length === 1 ? socket.out[0] : Buffer.concat(socket.out));
    socket.out = [];
  }
}

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
const server = createServer((request, response) => {
  const who = byHash.get(digest((request.headers.authorization ?? '').replace(/^Bearer /, '')));
  const answer = !request.url.startsWith('/api/rtm.connect') ? { ok: false, error: 'unknown_method' }
    : !who ? { ok: false, error: 'invalid_auth' }
    : { ok: true, url: `ws://${request.headers.host}/rtm/${issue(who.id)}`, self: who, team: { id: 'T00000001', name: 'Bench', domain: 'bench' } };
  const body = JSON.stringify(answer);
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body) });
  response.end(body);
});
server.on('upgrade', (request, raw, first) => {
  const user = redeem(request.url.slice('/rtm/'.length));
  if (!user) return raw.destroy();
  sockets.handleUpgrade(request, raw, first, (socket) => {
    raw.setNoDelay(true);
    socket.user = user;
    socket.out = [];
    const mine = [...members].filter(([, people]) => people.has(user)).map(([channel]) => channel);
    for (const channel of mine) live.set(channel, (live.get(channel) ?? new Set()).add(socket));
    socket.on('message', (data) => take(socket, data));
    socket.on('close', () => mine.forEach((channel) => live.get(channel).delete(socket)));
    socket.on('error', () => socket.terminate());
    socket.send('{"type":"hello"}');
  });
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(JSON.stringify({ api_url: `http://127.0.0.1:${server.address().port}/api/`, users, channels }));
});
process.on('SIGTERM', () => process.exit(0));
