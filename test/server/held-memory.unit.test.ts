import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { openHttpListener } from '../../src/server/http-listener.ts';

it('closes the oldest connections of clients that do not read large responses', async () => {
  const log = pino({ enabled: false });
  await using listener = await openHttpListener({ host: '127.0.0.1', port: 0 }, log);
  const large = Buffer.alloc(16 * 1024 * 1024);
  listener.open((_request, response) => response.end(large));
  const clients = [];
  for (let count = 0; count < 40; count += 1) {
    const socket = connect(Number(new URL(listener.url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.on('error', () => undefined);
    clients.push({ socket, closed: new Promise((resolve) => socket.once('close', resolve)) });
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  }
  try {
    const [oldest] = clients;
    // Longer than the interval of the checks.
    await sleep(2_000);
    // A client notices only when it reads.
    oldest?.socket.resume();
    await oldest?.closed;
    expect(oldest?.socket.bytesRead).toBeLessThan(large.length);
    const newest = clients.at(-1)?.socket;
    for await (const _chunk of newest ?? []) if ((newest?.bytesRead ?? 0) > large.length) break;
    expect(newest?.bytesRead).toBeGreaterThan(large.length);
  } finally {
    for (const { socket } of clients) socket.destroy();
  }
});
