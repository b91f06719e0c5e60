import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A port of this machine from which connections go on to another one. */
export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** Cuts all connections. From now on, new ones go on to another target. */
  redirect(target: Target): void;
}

/** Where connections go on to. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/**
 * Listens on a free port. Each connection to it gets one of its own to the target. Both end together.
 * @param pass passes on what comes from each side; by default as it comes
 */
export async function startRelay(target: Target, pass = passOn): Promise<Relay> {
  const sockets = new Set<Socket>();
  let current = target;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    const upstream = connect(current);
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
    redirect(other) {
      current = other;
      cut();
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}

function passOn(client: Socket, upstream: Socket): void {
  client.pipe(upstream);
  upstream.pipe(client);
}
