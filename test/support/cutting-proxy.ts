import { startRelay } from './relay.ts';

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
  const relay = await startRelay({ host: '127.0.0.1', port: target }, (client, upstream) => {
    let cutting = false;
    let database: string | undefined;
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
  });
  return {
    port: relay.port,
    get cuts() {
      return cuts;
    },
    cutAfter(statement, times, spared) {
      sparedDatabase = spared;
      // The text of a query ends with a zero byte.
      wanted = Buffer.from(`${statement}\0`);
      left = times;
    },
    [Symbol.asyncDispose]: () => relay[Symbol.asyncDispose](),
  };
}
