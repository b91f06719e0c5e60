import { once } from 'node:events';
import net from 'node:net';
import { DriverException } from '@mikro-orm/core';
import { describe, expect, it } from 'vitest';
import { isConnectionFailure, isTransient, isUnreachable, sqlStateOf } from '../../../src/postgres/sql/error-codes.ts';

describe('a write to a connection that the other end has closed', () => {
  it('is a failure of the connection, although its code has five letters as a SQLSTATE has', async () => {
    const error = await brokenPipe();
    expect(error).toMatchObject({ code: 'EPIPE' });
    for (const thrown of [error, new Error('failed', { cause: error }), new DriverException(error)]) {
      expect(sqlStateOf(thrown)).toBeUndefined();
      expect([isConnectionFailure(thrown), isTransient(thrown), isUnreachable(thrown)]).toEqual([true, true, true]);
    }
  });
});

/** Node's error for writing to a closed connection. */
async function brokenPipe(): Promise<Error> {
  const server = net.createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('the server has no port');
  const socket = net.connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.resume();
  await once(socket, 'end');
  const failed = once(socket, 'error');
  const timer = setInterval(() => socket.write('x'), 1);
  try {
    const [error] = await failed;
    return error;
  } finally {
    clearInterval(timer);
    socket.destroy();
    server.close();
  }
}
