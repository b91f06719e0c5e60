import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { limitRequestTime } from '../../src/server/request-time.ts';

it('closes connections whose requests do not arrive in time, but for those that are exempt', async () => {
  const streaming = new WeakSet<Socket>();
  const server = createServer((request, response) => {
    if (request.url === '/streaming') streaming.add(request.socket);
    if (request.url === '/answered') response.end('early');
    request.resume().once('end', () => response.end('all'));
  });
  const end = limitRequestTime(server, 500, streaming);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const open = (path: string) => {
    const socket = connect(typeof address === 'object' && address ? address.port : 0, '127.0.0.1');
    socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nx`);
    return socket;
  };
  try {
    const exempt = open('/streaming');
    const [slow, answered] = await Promise.all(['/', '/answered'].map((path) => text(open(path))));
    expect(slow).toMatch(/^HTTP\/1\.1 408 /);
    expect(answered).toMatch(/^HTTP\/1\.1 200 .*early$/s);
    await sleep(1_500);
    exempt.end('x');
    expect(await text(exempt)).toMatch(/^HTTP\/1\.1 200 .*all$/s);
  } finally {
    end();
    server.closeAllConnections();
    server.close();
  }
});
