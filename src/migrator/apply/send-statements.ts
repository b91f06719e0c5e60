import type pg from 'pg';
import { spanNameOf, statementAttributes } from '../../postgres/observe-statements.ts';
import { isTracing, recordSpan, SpanKind, type TraceContext } from '../../telemetry/tracing.ts';
import type { SourceStatement } from '../files/source-statements.ts';
import { statementError } from './statement-error.ts';

/** A row's values as text. */
export type Row = readonly (string | null)[];

/** Single statements of ours around those of a migration. */
export interface OwnStatements {
  readonly leading?: readonly string[];
  readonly trailing?: readonly string[];
}

/** A statement to send: one of ours as text, or one of a migration. */
export type Sendable = string | Flushed | SourceStatement;

/** A statement of ours at whose end PostgreSQL sends what it has answered so far. Otherwise it may wait for more. */
export interface Flushed {
  readonly flushed: string;
}

/** What came of statements that were sent. */
export interface Sent {
  /**
   * For each statement that has ended, when that was heard, on the clock of `performance`. If there are fewer than were sent, the next
   * one failed.
   */
  readonly endsMs: readonly number[];
  /** For each statement of ours the last row that it returned; undefined for others, and for one that returned none. */
  readonly rows: readonly (Row | undefined)[];
  /** Why a statement failed, and which one if it is a migration's. */
  readonly error: unknown;
}

/**
 * Sends the statements of a migration between statements of ours, as {@link sendInOrder} does.
 * @returns for each trailing statement the last row that it returned; undefined if it returned none
 * @throws {Error} naming the statement that failed, if it is one of the migration's
 */
export async function sendStatements(
  client: pg.Client,
  statements: readonly SourceStatement[],
  { leading = [], trailing = [] }: OwnStatements = {},
): Promise<readonly (Row | undefined)[]> {
  const all = [...leading, ...statements, ...trailing];
  const startMs = performance.now();
  const sent = await sendInOrder(client, all);
  recordStatements(client, all, startMs, sent);
  if (sent.error !== undefined) throw sent.error;
  return sent.rows.slice(all.length - trailing.length);
}

/**
 * Sends statements in the extended protocol, which never takes two statements for one, so no text can hide a COMMIT.
 * They are sent without waiting for each other. PostgreSQL skips all that follow a failed one. Rows are thrown away as
 * they come. Never rejects.
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
export async function sendInOrder(client: pg.Client, statements: readonly Sendable[]): Promise<Sent> {
  let all: Sent = { endsMs: [], rows: [], error: undefined };
  for (const part of partsOf(statements)) {
    const { endsMs, rows, error } = await send(client, part);
    all = { endsMs: [...all.endsMs, ...endsMs], rows: [...all.rows, ...rows], error };
    if (error !== undefined) return all;
  }
  return all;
}

/** The server may read rows from the client for a statement that the parser does not know. Nothing must follow it. */
function partsOf(statements: readonly Sendable[]): readonly (readonly Sendable[])[] {
  const parts: Sendable[][] = [];
  let isAlone = true;
  for (const statement of statements) {
    const isUnknown = isOfMigration(statement) && !statement.isParsed;
    if (isAlone || isUnknown) parts.push([]);
    parts.at(-1)?.push(statement);
    isAlone = isUnknown;
  }
  return parts;
}

async function send(client: pg.Client, statements: readonly Sendable[]): Promise<Sent> {
  const pipeline = await new Promise<Pipeline>((resolve) => {
    const sending = new Pipeline(statements, () => resolve(sending));
    client.query(sending);
  });
  const { endsMs, rows, error } = pipeline;
  const failed = statements[endsMs.length];
  return { endsMs, rows, error: failed && isOfMigration(failed) ? statementError(error, failed) : error };
}

/**
 * Records a span for each statement that was carried out, and for the one that failed.
 * @param startMs when the first one was sent
 * @param parent the span to which they belong; by default the current one
 */
export function recordStatements(
  client: pg.Client,
  statements: readonly Sendable[],
  startMs: number,
  { endsMs, error }: Pick<Sent, 'endsMs' | 'error'>,
  parent?: TraceContext,
): void {
  if (!isTracing()) return;
  let before = startMs;
  for (const [index, statement] of statements.entries()) {
    const text = textOf(statement);
    const failed = index === endsMs.length ? error : undefined;
    if (index >= endsMs.length && failed === undefined) return;
    const endMs = endsMs[index] ?? performance.now();
    const attributes = () => statementAttributes(text, client);
    const details = { kind: SpanKind.CLIENT, attributes, error: failed };
    recordSpan(spanNameOf(text), { startMs: before, endMs }, details, parent);
    before = endMs;
  }
}

function isOfMigration(statement: Sendable): statement is SourceStatement {
  return typeof statement === 'object' && 'text' in statement;
}

function textOf(statement: Sendable): string {
  if (typeof statement === 'string') return statement;
  return isOfMigration(statement) ? statement.text : statement.flushed;
}

/** The part of node-postgres's connection that its types do not declare. */
interface CopyingConnection extends pg.Connection {
  sendCopyFail(reason: string): void;
}

/** Several statements that share one synchronization point. node-postgres calls its methods. */
class Pipeline implements pg.Submittable {
  /** When it was heard that each statement has ended, on the clock of `performance`. */
  readonly endsMs: number[] = [];
  /** The last row of each statement of ours. */
  readonly rows: (Row | undefined)[];
  /** The error of the one that failed. */
  error: unknown;
  // node-postgres replaces it to add a time limit, and calls it if the connection is lost.
  callback: (error?: unknown) => void;
  readonly #statements: readonly Sendable[];

  /** @param onEnd called once, when all have ended or one has failed */
  constructor(statements: readonly Sendable[], onEnd: () => void) {
    this.#statements = statements;
    this.rows = statements.map(() => undefined);
    this.callback = (error) => {
      this.error ??= error ?? undefined;
      onEnd();
    };
  }

  submit(connection: pg.Connection): void {
    connection.stream.cork();
    try {
      for (const statement of this.#statements) {
        connection.parse({ name: '', text: textOf(statement), types: [] }, true);
        connection.bind({}, true);
        connection.execute({}, true);
        if (typeof statement === 'object' && 'flushed' in statement) connection.flush();
      }
      connection.sync();
    } finally {
      connection.stream.uncork();
    }
  }

  handleRowDescription(): void {}

  handleDataRow({ fields }: { readonly fields: Row }): void {
    const index = this.endsMs.length;
    const statement = this.#statements[index];
    if (statement !== undefined && !isOfMigration(statement)) this.rows[index] = fields;
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
    this.callback(error);
  }

  handleReadyForQuery(): void {
    this.callback();
  }
}
