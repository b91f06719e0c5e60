import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';

/**
 * Runs a statement `COPY … TO STDOUT` and yields what PostgreSQL sends, as fast as it is taken.
 * @param onEnd called at the end with the number of rows
 * @throws what PostgreSQL reports, or the signal's reason
 */
export async function* copyOut(
  client: pg.Client,
  sql: string,
  signal: AbortSignal,
  onEnd?: (rows: number) => void,
): AsyncGenerator<Buffer> {
  const output = client.query(copyTo(sql));
  let isDone = false;
  try {
    for await (const chunk of output) {
      signal.throwIfAborted();
      // The stream has no encoding, so it yields buffers.
      yield chunk as Buffer;
    }
    // PostgreSQL says the number of rows after the last of them. Another statement begins when it has.
    if (onEnd) {
      await client.query('SELECT');
      onEnd(output.rowCount);
    }
    isDone = true;
  } finally {
    // Rows that nobody reads would keep the connection from ending.
    if (!isDone) client.connection.stream.destroy();
  }
}

/** Joins chunks to parts of at least `size` bytes, but for the last one. */
export async function* joined(chunks: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    pending.push(chunk);
    bytes += chunk.length;
    if (bytes < size) continue;
    yield Buffer.concat(pending, bytes);
    pending = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(pending, bytes);
}
