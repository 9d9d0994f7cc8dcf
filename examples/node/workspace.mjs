// A workspace of tautwire that a test starts, drives and stops. Copy this file; it needs nothing but Node.js.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export class Workspace {
  // Start a workspace; tautwire must be on the path, or TAUTWIRE must name it.
  static async start(seed) {
    const workspace = new Workspace();
    workspace.data = await mkdtemp(join(tmpdir(), 'workspace-'));
    const options = ['--json', '--control', 'on', '--port', '0', '--data', workspace.data, '--seed', seed];
    workspace.server = spawn(process.env.TAUTWIRE ?? 'tautwire', ['serve', ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface({ input: workspace.server.stdout }), 'line');
    return Object.assign(workspace, JSON.parse(line)); // api_url, apps, control
  }

  // Carry out an operation of the control API.
  async operate(operation, given = {}) {
    const response = await fetch(this.control.url + operation, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.control.secret}` },
      body: JSON.stringify(given),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${operation}: ${answer.error.message}`);
    return answer;
  }

  async stop() {
    this.server.kill();
    await once(this.server, 'exit');
    await rm(this.data, { recursive: true });
  }
}
