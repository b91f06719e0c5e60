import { connect, type Socket } from 'node:net';

/** How long PostgreSQL may send nothing during a query before its machine is checked, in milliseconds. */
const CHECK_MS = 10_000;
/** How long a machine may take to answer a check, in milliseconds. */
const ANSWER_MS = 5_000;
/** After how many checks without an answer the connection counts as lost. One may fail because this process was blocked. */
const CHECKS = 2;

/** The socket of a connection to PostgreSQL, and what to do with it. */
export interface WatchedSocket {
  readonly stream: Socket;
  /** What to connect to for a check. */
  readonly place: { readonly host: string; readonly port: number };
  /** Whether no query is running. */
  isQuiet(): boolean;
}

/**
 * Destroys a socket when PostgreSQL's machine can no longer be reached while a query is running, however long the query may take.
 * TCP alone tries for 15 minutes to send what a broken network swallows, and its keepalives pause meanwhile.
 */
export function watchReachability({ stream, place, isQuiet }: WatchedSocket): void {
  let isChecking = false;
  const check = async () => {
    const { bytesRead } = stream;
    for (let failures = 0; !isQuiet() && !stream.destroyed && stream.bytesRead === bytesRead; ) {
      failures = (await isReachable(place)) ? 0 : failures + 1;
      if (failures === CHECKS) {
        if (!isQuiet() && stream.bytesRead === bytesRead) stream.destroy();
        return;
      }
      if (failures === 0) await new Promise((resolve) => setTimeout(resolve, CHECK_MS).unref());
    }
  };
  stream.setTimeout(CHECK_MS, () => {
    if (isChecking) return;
    isChecking = true;
    void check().finally(() => {
      isChecking = false;
    });
  });
}

/** Whether a machine answers, even if by refusing. Opens no session. */
function isReachable({ host, port }: WatchedSocket['place']): Promise<boolean> {
  if (host.startsWith('/')) return Promise.resolve(true);
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const answer = (isThere: boolean) => {
      socket.destroy();
      resolve(isThere);
    };
    socket.setTimeout(ANSWER_MS, () => answer(false));
    socket.once('connect', () => answer(true));
    socket.once('error', (error: NodeJS.ErrnoException) => answer(error.code === 'ECONNREFUSED'));
  });
}

/**
 * Destroys a socket when PostgreSQL has sent nothing for so long during a query.
 * @param cancel asks PostgreSQL to cancel the query
 */
export function limitSilence({ stream, isQuiet }: WatchedSocket, silenceMs: number, cancel: () => void): void {
  stream.setTimeout(silenceMs, () => {
    if (isQuiet()) return;
    cancel();
    stream.destroy();
  });
}
