import type pg from 'pg';
import { spanNameOf, statementAttributes } from '../../postgres/observe-statements.ts';
import { isTracing, recordSpan, SpanKind } from '../../telemetry/tracing.ts';
import type { SourceStatement } from '../files/source-statements.ts';
import { statementError } from './statement-error.ts';

/** A row's values as text. */
export type Row = readonly (string | null)[];

/** Single statements of ours around those of a migration. */
export interface OwnStatements {
  readonly leading?: readonly string[];
  readonly trailing?: readonly string[];
}

/**
 * Sends statements in the extended protocol, which never takes two statements for one, so no text can hide a COMMIT.
 * They are sent without waiting for each other. PostgreSQL skips all that follow a failed one. Rows are thrown away as
 * they come.
 * @returns for each trailing statement the last row that it returned; undefined if it returned none
 * @throws {Error} naming the statement that failed, if it is one of the migration's
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
export async function sendStatements(
  client: pg.Client,
  statements: readonly SourceStatement[],
  { leading = [], trailing = [] }: OwnStatements = {},
): Promise<readonly (Row | undefined)[]> {
  const rest = [...statements];
  let before = leading;
  // The server may read rows from the client for a statement that the parser does not know. Nothing must follow it.
  for (let unknown = firstUnknown(rest); unknown >= 0; unknown = firstUnknown(rest)) {
    await send(client, rest.splice(0, unknown), { leading: before, trailing: [] });
    await send(client, rest.splice(0, 1), { leading: [], trailing: [] });
    before = [];
  }
  return send(client, rest, { leading: before, trailing });
}

function firstUnknown(statements: readonly SourceStatement[]): number {
  return statements.findIndex(({ isParsed }) => !isParsed);
}

async function send(
  client: pg.Client,
  statements: readonly SourceStatement[],
  { leading, trailing }: Required<OwnStatements>,
): Promise<readonly (Row | undefined)[]> {
  const texts = [...leading, ...statements.map(({ text }) => text), ...trailing];
  if (texts.length === 0) return [];
  let pipeline: Pipeline | undefined;
  const startMs = performance.now();
  try {
    return await new Promise((resolve, reject) => {
      pipeline = new Pipeline(texts, texts.length - trailing.length, (error, rows) =>
        error ? reject(error) : resolve(rows ?? []),
      );
      client.query(pipeline);
    });
  } catch (error) {
    throw statementError(error, statements[(pipeline?.finished ?? 0) - leading.length]);
  } finally {
    if (pipeline && isTracing()) recordStatements(client, texts, pipeline, startMs);
  }
}

/** Records a span for each statement that was carried out, and for the one that failed. */
function recordStatements(
  client: pg.Client,
  texts: readonly string[],
  { endsMs, error }: Pipeline,
  startMs: number,
): void {
  let before = startMs;
  for (const [index, text] of texts.entries()) {
    const failed = index === endsMs.length ? error : undefined;
    if (index >= endsMs.length && failed === undefined) return;
    const endMs = endsMs[index] ?? performance.now();
    const attributes = () => statementAttributes(text, client);
    const details = { kind: SpanKind.CLIENT, attributes, error: failed };
    recordSpan(spanNameOf(text), { startMs: before, endMs }, details);
    before = endMs;
  }
}

/** The part of node-postgres's connection that its types do not declare. */
interface CopyingConnection extends pg.Connection {
  sendCopyFail(reason: string): void;
}

/** Several statements that share one synchronization point. node-postgres calls its methods. */
class Pipeline implements pg.Submittable {
  /** When each statement ended, on the clock of `performance`. */
  readonly endsMs: number[] = [];
  /** The error of the one that failed. */
  error: Error | undefined;
  // node-postgres replaces it to add a time limit.
  callback: (error: Error | null, rows?: readonly (Row | undefined)[]) => void;
  readonly #texts: readonly string[];
  readonly #keptFrom: number;
  readonly #rows: (Row | undefined)[];

  /** @param keptFrom the first statement of which the last row is kept */
  constructor(texts: readonly string[], keptFrom: number, callback: Pipeline['callback']) {
    this.#texts = texts;
    this.#keptFrom = keptFrom;
    this.#rows = texts.slice(keptFrom).map(() => undefined);
    this.callback = callback;
  }

  submit(connection: pg.Connection): void {
    connection.stream.cork();
    try {
      for (const text of this.#texts) {
        connection.parse({ name: '', text, types: [] }, true);
        connection.bind({}, true);
        connection.execute({}, true);
      }
      connection.sync();
    } finally {
      connection.stream.uncork();
    }
  }

  handleRowDescription(): void {}

  handleDataRow({ fields }: { readonly fields: Row }): void {
    if (this.finished >= this.#keptFrom) this.#rows[this.finished - this.#keptFrom] = fields;
  }

  /** How many statements have ended. */
  get finished(): number {
    return this.endsMs.length;
  }

  handleCommandComplete(): void {
    this.endsMs.push(performance.now());
  }

  handleEmptyQuery(): void {
    this.endsMs.push(performance.now());
  }

  /** PostgreSQL ignores a synchronization point while it reads rows, so it needs another one. */
  handleCopyInResponse(connection: CopyingConnection): void {
    connection.sendCopyFail('A migration has no rows to send');
    connection.sync();
  }

  handleCopyData(): void {}

  handleError(error: Error): void {
    this.error = error;
    this.callback(error);
  }

  handleReadyForQuery(): void {
    this.callback(null, this.#rows);
  }
}
