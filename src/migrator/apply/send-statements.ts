import pg from 'pg';
import type { Statement } from '../../postgres/sql/statements.ts';
import type { SourceStatement } from '../files/source-statements.ts';
import { offsetOf, withStatement } from './statement-error.ts';

/** What {@link sendTogether} keeps of the rows: the last one. */
export type LastRow = Readonly<Record<string, unknown>> | undefined;

/**
 * Sends statements in one round trip, followed by SQL of ours.
 * @param statements none ends a transaction, and the parser knows all of them, so the message cannot either
 * @returns the last row; all others are discarded as they come
 * @throws {Error} naming the statement that failed, if known
 */
export async function sendTogether(
  client: pg.Client,
  statements: readonly SourceStatement[],
  trailingSql: string,
): Promise<LastRow> {
  // The semicolon goes on its own line because a statement may end with a comment.
  const separator = '\n;\n';
  const text = [...statements.map((statement) => statement.text), trailingSql].join(separator);
  let finished = 0;
  const count = () => {
    finished += 1;
  };
  client.connection.on('commandComplete', count);
  try {
    return await send(client, { text });
  } catch (error) {
    const offset = offsetOf(error, text);
    let start = 0;
    for (const [index, statement] of statements.entries()) {
      const end = start + statement.text.length;
      if (offset === undefined ? index === finished : offset <= end)
        throw withStatement(error, statement, offset === undefined ? undefined : Math.max(0, offset - start));
      start = end + separator.length;
    }
    throw error;
  } finally {
    client.connection.off('commandComplete', count);
  }
}

/**
 * Sends one statement by itself, in the extended protocol, in which PostgreSQL accepts one statement only. Its rows are
 * discarded as they come.
 * @throws {Error} naming the statement if it failed
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
 */
export async function sendAlone(
  client: pg.Client,
  statement: Pick<Statement, 'text'> & Partial<SourceStatement>,
): Promise<void> {
  try {
    await send(client, { text: statement.text, queryMode: 'extended' });
  } catch (error) {
    throw withStatement(error, statement, offsetOf(error, statement.text));
  }
}

function send(client: pg.Client, config: { readonly text: string; readonly queryMode?: 'extended' }): Promise<LastRow> {
  return new Promise((resolve, reject) => {
    let last: LastRow;
    // With a listener for rows, node-postgres doesn't keep them.
    const query = new pg.Query<Readonly<Record<string, unknown>>>(config);
    query.on('row', (row) => {
      last = row;
    });
    query.on('error', reject);
    query.on('end', () => resolve(last));
    client.query(query);
  });
}
