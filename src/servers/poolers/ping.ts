import { connect } from 'node:net';
import type { PoolerAddress } from '../../config/server-address.ts';

/** The request for TLS, which needs no login. @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL */
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/** Checks that a pooler answers, and throws the error otherwise. It logs in as nobody. */
export async function pingPooler({ host, port }: PoolerAddress, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
  const abort = () => socket.destroy();
  signal.addEventListener('abort', abort);
  socket.once('connect', () => socket.write(sslRequest));
  socket.once('data', () => resolve());
  socket.once('error', reject);
  socket.once('close', () => reject(new Error('the pooler closed the connection')));
  try {
    await promise;
  } finally {
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}
