import type pg from 'pg';
import { quoteIdentifier, quoteLiteral } from '../../postgres/sql/quote.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import { copyPlace } from '../copy-place.ts';
import type { CopyPlace, CopyProgress, SourcePlace } from '../place.ts';
import { prepareSession } from '../session.ts';
import { CopyLostError, keepsTooMuch } from './follower.ts';
import { createPosition, dropPositionSql, readPosition, type StoredPosition } from './position-table.ts';
import { checkSource, checkTarget } from './requirements.ts';
import { dropSlot, publish, readSlot, withNewSlot } from './slot.ts';
import { readFingerprint } from './source-tables.ts';

/** What a copy whose source goes on being written to needs. */
export interface OnlineCopyOptions {
  /** See `slotName`. */
  readonly slot: string;
  readonly from: SourcePlace;
  readonly to: CopyPlace;
  /** The number of tables that are copied at the same time. */
  readonly parallel: number;
  /** See `FollowOptions`. */
  readonly maxKeptBytes: number;
  readonly onProgress?: (progress: CopyProgress) => void;
  readonly signal: AbortSignal;
}

const WATCH_MS = 5_000;
/** How often a copy begins again because tables were emptied meanwhile. */
const TRIES = 3;

/**
 * Copies a place so that a `Follower` can apply what is written to it from now on. It creates a publication and a slot at the
 * source, which {@link endOnlineCopy} drops. A copy that was completed before is kept. If it fails, the target is to be dropped.
 * @returns the final progress; undefined if there was nothing to copy
 * @throws {AppError} CONFLICT if the servers or the tables do not allow it
 * @throws {CopyLostError} if the source's tables were emptied again and again
 */
export async function startOnlineCopy(options: OnlineCopyOptions): Promise<CopyProgress | undefined> {
  if (await hasOnlineCopy(options)) return undefined;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await copyOnline(options);
    } catch (error) {
      if (!(error instanceof CopyLostError) || attempt >= TRIES) throw error;
    }
  }
}

async function copyOnline(options: OnlineCopyOptions): Promise<CopyProgress> {
  const { slot, from, to, signal } = options;
  await to.use((client) => client.query(dropPositionSql(to.schema)), signal);
  await from.use(async (client) => {
    await dropSlot(client, slot);
    await to.use(checkTarget, signal);
    const tables = await checkSource(client, from.schema, slot);
    await publish(
      client,
      slot,
      from.schema,
      tables.map(({ name }) => name),
    );
  }, signal);
  const { progress, ...stored } = await from.use((client) => copyInSnapshot(client, options), signal);
  await to.use((client) => inTransaction(client, () => createPosition(client, to.schema, slot, stored)), signal);
  return progress;
}

/** Whether the copy at the target is complete and the source has all changes since then, so that a `Follower` can go on. */
export async function hasOnlineCopy({
  slot,
  from,
  to,
  signal,
}: Pick<OnlineCopyOptions, 'slot' | 'from' | 'to' | 'signal'>): Promise<boolean> {
  const state = await from.use((client) => readSlot(client, slot), signal);
  if (!state || state.isLost) return false;
  return (await to.use((client) => readPosition(client, to.schema, slot), signal)) !== undefined;
}

/**
 * Checks whether a place can be copied online. It changes nothing.
 * @param atTarget runs work with a connection to the target's server, as the role that is to own the copy
 * @throws {AppError} CONFLICT with the first reason against it
 */
export async function checkOnlineCopy(
  from: SourcePlace,
  atTarget: (work: (client: pg.Client) => Promise<void>) => Promise<void>,
): Promise<void> {
  await from.use((client) => checkSource(client, from.schema, ''));
  await atTarget(checkTarget);
}

/** Drops what an online copy has created at the source. It has no effect if nothing is left. */
export async function endOnlineCopy(from: Pick<SourcePlace, 'use'>, slot: string): Promise<void> {
  await from.use((client) => dropSlot(client, slot));
}

/**
 * Creates the slot and copies what its snapshot sees. A transaction holds the snapshot, so that the slot's own connection is not
 * needed for long.
 */
async function copyInSnapshot(
  holder: pg.Client,
  options: OnlineCopyOptions,
): Promise<StoredPosition & { readonly progress: CopyProgress }> {
  const { slot, from, to, parallel, onProgress, maxKeptBytes } = options;
  await prepareSession(holder, from.schema);
  const position = await withNewSlot(from, slot, options, async (created) => {
    await holder.query(`
      BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
      SET TRANSACTION SNAPSHOT ${quoteLiteral(created.snapshot)}; SELECT 1`);
    return created.position;
  });
  const fingerprint = await readFingerprint(holder, from.schema);
  const files = await readFiles(holder, from.schema);
  const { rows } = await holder.query<{ snapshot: string }>('SELECT pg_export_snapshot() AS snapshot');
  const tooMuch = new AbortController();
  const watching = setInterval(() => {
    const look = async () => {
      const { keptBytes = 0 } = (await readSlot(holder, slot)) ?? {};
      if (keptBytes > maxKeptBytes) tooMuch.abort(keepsTooMuch(keptBytes));
    };
    // A lost connection ends the copy by itself.
    look().catch(() => undefined);
  }, WATCH_MS);
  let progress: CopyProgress;
  try {
    progress = await copyPlace({
      from,
      to,
      parallel,
      snapshot: String(rows[0]?.snapshot),
      ...(onProgress && { onProgress }),
      signal: AbortSignal.any([options.signal, tooMuch.signal]),
    });
  } finally {
    clearInterval(watching);
  }
  await holder.query('COMMIT');
  const now = await readFiles(holder, from.schema);
  const emptied = [...files.keys()].filter((table) => now.get(table) !== files.get(table));
  if (emptied.length > 0)
    throw new CopyLostError(`These tables were emptied or rewritten while they were copied: ${emptied.join(', ')}`);
  return { position, fingerprint, progress };
}

/**
 * Reads the files of tables. TRUNCATE replaces them, and a snapshot from before sees an empty table then.
 * @see https://www.postgresql.org/docs/current/mvcc-caveats.html
 */
async function readFiles(client: pg.Client, schema: string): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<{ name: string; file: string }>(
    `SELECT relname AS name, concat_ws(' ', oid, relfilenode) AS file FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'`,
    [quoteIdentifier(schema)],
  );
  return new Map(rows.map(({ name, file }) => [name, file]));
}
