import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A way to PostgreSQL that can break. */
export interface CuttingProxy extends AsyncDisposable {
  readonly port: number;
  /** How often it has cut a connection. */
  readonly cuts: number;
  /**
   * From now on, this often, a statement with this text reaches PostgreSQL, but its answer does not come back; connections
   * to one database are spared.
   */
  cutAfter(statement: string, times: number, spared: string): void;
}

/**
 * Listens on a free port and passes everything on. Statements are found in the bytes of both query protocols.
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export async function startCuttingProxy(target: number): Promise<CuttingProxy> {
  let wanted: Buffer | undefined;
  let left = 0;
  let sparedDatabase = '';
  let cuts = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    let cutting = false;
    let database: string | undefined;
    for (const socket of [client, upstream]) {
      sockets.add(socket.on('error', () => undefined).once('close', () => sockets.delete(socket)));
    }
    client.on('data', (bytes) => {
      // A connection begins with its parameters, each ended by a zero byte.
      database ??= /\0database\0([^\0]*)\0/.exec(bytes.toString())?.[1] ?? '';
      if (left > 0 && database !== sparedDatabase && wanted && bytes.includes(wanted)) {
        left -= 1;
        cuts += 1;
        cutting = true;
      }
      upstream.write(bytes);
    });
    upstream.on('data', (bytes) => {
      if (cutting) client.destroy();
      else client.write(bytes);
    });
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('The proxy has no port');
  return {
    port: address.port,
    get cuts() {
      return cuts;
    },
    cutAfter(statement, times, spared) {
      sparedDatabase = spared;
      // The text of a query ends with a zero byte.
      wanted = Buffer.from(`${statement}\0`);
      left = times;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
