import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { copySql } from '../../copying/copy-sql.ts';
import { countLines } from '../../copying/count-lines.ts';
import { refreshViews } from '../../copying/materialized-views.ts';
import type { CopyPlace, CopyProgress } from '../../copying/place.ts';
import { refuseRowSecurity } from '../../copying/row-security.ts';
import { setSequences } from '../../copying/sequences.ts';
import { inSession } from '../../copying/session.ts';
import { clearTarget, finishTarget } from '../../copying/target.ts';
import { AppError, messageOf } from '../../lib/errors.ts';
import { sqlStateOf } from '../../postgres/sql/error-codes.ts';
import { type Manifest, type ManifestTable, partName } from '../format/manifest.ts';
import { quoted, refused } from '../format/problem.ts';
import { checkTables } from './check-tables.ts';
import type { ContentReader } from './content-reader.ts';

/** How many indexes are built, or foreign keys checked, at the same time. */
const PARALLEL = 2;

/**
 * Loads the rows of an archive into a place that its migrations have made, in place of what they have put there.
 * @returns the final progress
 * @throws {AppError} BAD_USER_INPUT if the rows or tables are not those of the place, CONFLICT if row security keeps rows out
 */
export async function loadRows(
  place: CopyPlace,
  manifest: Manifest,
  reader: ContentReader,
  onProgress: (progress: CopyProgress) => void,
  signal: AbortSignal,
): Promise<CopyProgress> {
  const { schema } = place;
  const rowsTotal = manifest.tables.reduce((sum, { rows }) => sum + rows, 0);
  let progress: CopyProgress = { rowsCopied: 0, rowsTotal, bytesCopied: 0 };
  const full = new Map(manifest.tables.filter(({ rows }) => rows > 0).map((table) => [table.name, bytesOf(table)]));
  await inSession(
    place,
    async (client) => {
      const target = { place, client };
      const made = await checkTables(client, schema, manifest);
      await refuseRowSecurity(target);
      const filled = made.flatMap((table) => {
        const bytes = full.get(table.name);
        return bytes === undefined ? [] : [{ ...table, bytes }];
      });
      const emptied = made.filter(({ bytes }) => bytes !== 0);
      const cleared = await clearTarget(target, { filled, emptied });
      // The tenant is activated later, by a transaction that is flushed to disk.
      await client.query('SET synchronous_commit = off');
      for (const [index, table] of manifest.tables.entries()) {
        const onPart = (part: Buffer) => {
          const rowsCopied = progress.rowsCopied + countLines(part);
          progress = { rowsCopied, rowsTotal, bytesCopied: progress.bytesCopied + part.length };
          onProgress(progress);
        };
        const parts = observed(partsOf(reader, table, index + 1), onPart);
        await loadTable(client, schema, table, parts, signal);
      }
      await setSequences(client, schema, manifest.sequences);
      await finishTarget(target, cleared, filled, PARALLEL, signal).catch((error: unknown) => {
        throw explain(error, 'that do not satisfy a constraint');
      });
      await refreshViews(target, target);
    },
    signal,
  );
  return progress;
}

async function* observed(parts: AsyncIterable<Buffer>, onPart: (part: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const part of parts) {
    onPart(part);
    yield part;
  }
}

function bytesOf({ parts }: ManifestTable): number {
  return parts.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function* partsOf(reader: ContentReader, { parts }: ManifestTable, table: number): AsyncGenerator<Buffer> {
  for (const [index, part] of parts.entries()) yield* reader.next(partName(table, index + 1), part);
}

async function loadTable(
  client: pg.Client,
  schema: string,
  table: ManifestTable,
  content: AsyncGenerator<Buffer>,
  signal: AbortSignal,
): Promise<void> {
  if (table.parts.length === 0) return;
  const columns = table.columns.map(({ name }) => name);
  const input = client.query(copyFrom(copySql(schema, table.name, columns, 'FROM STDIN')));
  try {
    await pipeline(content, input, { signal });
  } catch (error) {
    throw explain(error, `of the table ${quoted(table.name)} that cannot be stored`);
  }
  if (input.rowCount !== table.rows) {
    throw refused(`has ${input.rowCount} rows of the table ${quoted(table.name)} instead of ${table.rows}`);
  }
}

/** PostgreSQL's classes of errors that rows cause: cardinality, data, and violated constraints. */
const causedByRows = ['21', '22', '23'];

function explain(error: unknown, problem: string): unknown {
  const state = sqlStateOf(error);
  if (error instanceof AppError || !causedByRows.includes(state?.slice(0, 2) ?? '')) return error;
  return refused(`has rows ${problem}: ${quoted(messageOf(error))}`, error);
}
