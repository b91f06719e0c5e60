import type pg from 'pg';
import { messageOf } from '../errors.ts';
import { inTransaction } from '../postgres/transaction.ts';
import { type NewRecord, readDoneByRun } from './history.ts';
import { aloneInSession, applyAlone, prepareAlone } from './migrate-in-parts.ts';
import { applyStep, type MigrateOptions, type MigrationFailedError, stepSettingsSql } from './migration-batch.ts';
import type { Direction, MigrationFile } from './migration-files.ts';
import { runStepAlone, statementsAlone } from './run-step.ts';

/** A batch of parts that failed, and could not be taken back: somebody has to look at the tenant. */
export class NotTakenBackError extends Error {
  override readonly name = 'NotTakenBackError';
}

/**
 * Takes back what a run has done to a tenant that has no snapshot, since a later step failed: the failed step's own traces,
 * and then, the last one first, the steps that the run has applied, by their `down()`; in a run that takes back, by `up()`.
 * It may be repeated.
 * @param client the owner's connection, outside a transaction
 * @param run the run that failed
 * @returns what was recorded in the tenant's history
 * @throws {NotTakenBackError} saying where it stopped
 */
export function takeBack(
  client: pg.Client,
  run: string,
  failed: MigrationFailedError | undefined,
  options: MigrateOptions,
): Promise<NewRecord[]> {
  const wayBack: Direction = options.down ? 'up' : 'down';
  return aloneInSession(client, options.schema, async () => {
    const records: NewRecord[] = [];
    if (failed?.inParts) await removeTraces(client, failed, wayBack, options);
    const done = await readDoneByRun(client, options.schema, run, options.down ? 'REVERTED' : 'APPLIED');
    for (const { name } of done.reverse()) {
      const step = options.files.find((file) => file.name === name);
      if (!step) throw new NotTakenBackError(`${name} cannot be taken back, for its file is gone`);
      records.push(await goBack(client, step, wayBack, options));
    }
    return records;
  });
}

async function goBack(
  client: pg.Client,
  step: MigrationFile,
  wayBack: Direction,
  options: MigrateOptions,
): Promise<NewRecord> {
  refuseWithoutDown(step, wayBack);
  try {
    if (!step.transactional) return await applyAlone(client, step, wayBack, { ...options, isRepeated: true });
    return await inTransaction(client, async () => {
      await client.query(stepSettingsSql(options));
      const down = options.down ? undefined : ({ kind: 'steps', steps: 1 } as const);
      return applyStep(client, step, { ...options, down });
    });
  } catch (error) {
    throw new NotTakenBackError(`${step.name} could not be taken back: ${messageOf(error)}`, { cause: error });
  }
}

/** A step of one statement leaves nothing but an INVALID index; of several, some may have been carried out. */
async function removeTraces(
  client: pg.Client,
  { migration }: MigrationFailedError,
  wayBack: Direction,
  options: MigrateOptions,
): Promise<void> {
  if (migration.transactional) return;
  try {
    const forth = wayBack === 'down' ? 'up' : 'down';
    if (statementsAlone(migration, forth)?.length !== 1) {
      refuseWithoutDown(migration, wayBack);
      await prepareAlone(client, migration, options);
      await runStepAlone(client, migration, wayBack);
    }
    await prepareAlone(client, migration, options);
  } catch (error) {
    if (error instanceof NotTakenBackError) throw error;
    throw new NotTakenBackError(
      `What ${migration.name} did before it failed could not be undone: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

function refuseWithoutDown({ name, reversible }: MigrationFile, wayBack: Direction): void {
  if (wayBack === 'down' && !reversible) throw new NotTakenBackError(`${name} has no down()`);
}
