import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { openHttpListener } from '../../src/server/http-listener.ts';

it('answers what has come before it drains, though it has not read it yet', async () => {
  await using door = await openHttpListener({ host: '127.0.0.1', port: 0 }, pino({ enabled: false }));
  door.open((_request, response) => response.end('answered'));
  const line = connect(Number(new URL(door.url).port), '127.0.0.1');
  const ask = () => line.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  ask();
  await new Promise((resolve) => line.once('data', resolve));
  // Both in one turn of the event loop, so that the door cannot look at the request in between.
  ask();
  const [answer] = await Promise.all([text(line), door.drain(10)]);
  expect(answer).toContain('answered');
  expect(answer.toLowerCase()).toContain('connection: close');
});
