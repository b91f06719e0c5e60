import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A port of this machine from which connections go on to another one. */
export interface Relay extends AsyncDisposable {
  readonly port: number;
}

/** Where connections go on to. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/**
 * Listens on a free port. Each connection to it gets one of its own to the target. Both end together.
 * @param pass passes on what comes from each side
 */
export async function startRelay(target: Target, pass: (client: Socket, upstream: Socket) => void): Promise<Relay> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target);
    for (const socket of [client, upstream]) {
      sockets.add(socket.on('error', () => undefined).once('close', () => sockets.delete(socket)));
    }
    pass(client, upstream);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('The relay has no port');
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
