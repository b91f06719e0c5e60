import { once } from 'node:events';
import { connect } from 'node:net';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { openHttpListener } from '../../src/server/http-listener.ts';

it('a connection of another protocol is closed when its client does not read what it gets', async () => {
  await using listener = await openHttpListener({ host: '127.0.0.1', port: 0 }, pino({ enabled: false }));
  const piece = Buffer.alloc(10 * 1024 * 1024);
  listener.openUpgrades((_request, socket) => {
    socket.on('error', () => undefined);
    // One buffer 40 times, which takes the memory of one.
    for (let count = 0; count < 40; count += 1) socket.write(piece);
  });
  const client = connect(Number(new URL(listener.url).port), '127.0.0.1');
  client.on('error', () => undefined).pause();
  client.write('GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
  await once(client, 'connect');
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  let received = 0;
  client.on('data', ({ length }) => {
    received += length;
  });
  client.resume();
  await once(client, 'close');
  expect(received).toBeLessThan(40 * piece.length);
});
