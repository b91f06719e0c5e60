import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { withTimeLimit } from '../../src/lib/time.ts';

it('an answer that arrived while the process was busy counts, even if the time limit is over by then', async () => {
  await using server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const connected = new Promise<string>((resolve) => server.once('connection', () => resolve('in time')));
  const answer = withTimeLimit(connected, 1, 'too late');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  // Another process connects, and this one is busy until long after.
  spawnSync(process.execPath, [
    '-e',
    `require('node:net').connect(${port}, '127.0.0.1').on('connect', () => process.exit())`,
  ]);
  expect(await answer).toBe('in time');
});

it('no answer in time is an error', async () => {
  await expect(withTimeLimit(new Promise(() => {}), 1, 'too late')).rejects.toThrow('too late');
});
