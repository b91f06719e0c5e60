import type pg from 'pg';
import { messageOf } from '../../lib/errors.ts';
import { inTransaction } from '../../postgres/sql/transaction.ts';
import { type NewRecord, readDoneByRun, readHistory } from '../files/history.ts';
import type { Direction, MigrationFile } from '../files/migration-files.ts';
import { applyStep, type MigrateOptions, type MigrationFailedError, planBatch, stepSettingsSql } from './batch.ts';
import { BuiltIndexes, isCreateIndex, isDropIndex } from './built-indexes.ts';
import { executeStepAlone, statementsAlone } from './execute.ts';
import { aloneInSession, applyAlone, prepareAlone } from './non-transactional.ts';
import { clearInProgressSql, isInterrupted } from './partial-mark.ts';

/** A batch of parts that failed, and could not be taken back: somebody has to look at the tenant. */
export class RevertFailedError extends Error {
  override readonly name = 'NotTakenBackError';
}

/**
 * Takes back what a run has done to a tenant that has no snapshot, since a later step failed, or was cut short: that step's own
 * traces, and then, the last one first, the steps that the run has applied, by their `down()`; in a run that takes back, by
 * `up()`. It may be repeated.
 * @param client the owner's connection, outside a transaction
 * @param run the run that failed
 * @returns what was recorded in the tenant's history; undefined if no batch in parts of this run has begun and not ended there
 * @throws {RevertFailedError} saying where it stopped
 */
export function revertPartial(
  client: pg.Client,
  run: string,
  failed: MigrationFailedError | undefined,
  options: MigrateOptions,
): Promise<NewRecord[] | undefined> {
  const revertDirection: Direction = options.down ? 'up' : 'down';
  return aloneInSession(client, options.schema, async () => {
    const records: NewRecord[] = [];
    if (failed?.inParts) await removeTraces(client, failed.migration, revertDirection, options, true);
    else if (await isInterrupted(client, options.schema, run))
      await removeTracesOfNext(client, revertDirection, options);
    else return undefined;
    const done = await readDoneByRun(client, options.schema, run, options.down ? 'REVERTED' : 'APPLIED');
    for (const { name } of done.reverse()) {
      const step = options.files.find((file) => file.name === name);
      if (!step) throw new RevertFailedError(`${name} cannot be taken back, for its file is gone`);
      records.push(await revertStep(client, step, revertDirection, options));
    }
    await client.query(clearInProgressSql(options.schema));
    return records;
  });
}

async function revertStep(
  client: pg.Client,
  step: MigrationFile,
  revertDirection: Direction,
  options: MigrateOptions,
): Promise<NewRecord> {
  refuseWithoutDown(step, revertDirection);
  try {
    if (!step.transactional) return await applyAlone(client, step, revertDirection, { ...options, isRepeated: true });
    return await inTransaction(client, async () => {
      await client.query(stepSettingsSql(options));
      const down = options.down ? undefined : ({ kind: 'steps', steps: 1 } as const);
      return applyStep(client, step, { ...options, down });
    });
  } catch (error) {
    throw new RevertFailedError(`${step.name} could not be taken back: ${messageOf(error)}`, { cause: error });
  }
}

/** The step that was cut short is the first that is not recorded. */
async function removeTracesOfNext(
  client: pg.Client,
  revertDirection: Direction,
  options: MigrateOptions,
): Promise<void> {
  const history = await readHistory(client, options.schema);
  let next: MigrationFile | undefined;
  try {
    next = planBatch(history, options).steps[0];
  } catch (error) {
    throw new RevertFailedError(`It cannot be told what was cut short: ${messageOf(error)}`, { cause: error });
  }
  if (next) await removeTraces(client, next, revertDirection, options, false);
}

/** @param hasFailed else it was cut short, and may have been carried out to its end */
async function removeTraces(
  client: pg.Client,
  step: MigrationFile,
  revertDirection: Direction,
  options: MigrateOptions,
  hasFailed: boolean,
): Promise<void> {
  if (step.transactional) return;
  try {
    await prepareAlone(client, step, options);
    const built = await BuiltIndexes.read(client, options.schema);
    const statements = statementsAlone(step, revertDirection === 'down' ? 'up' : 'down');
    if (!mayHaveLeft(statements, hasFailed, built)) return;
    refuseWithoutDown(step, revertDirection);
    await executeStepAlone(client, step, revertDirection, (statement, error) => built.isDone(statement, error));
    await prepareAlone(client, step, options);
  } catch (error) {
    if (error instanceof RevertFailedError) throw error;
    throw new RevertFailedError(
      `What ${step.name} did before it ${hasFailed ? 'failed' : 'was cut short'} could not be undone: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/**
 * Whether a step has left something besides an INVALID index, which is dropped by now. A single statement that failed has done
 * nothing else, but that the index is gone which it was to drop; of several, some may have been carried out.
 */
function mayHaveLeft(statements: readonly string[] | undefined, hasFailed: boolean, built: BuiltIndexes): boolean {
  const [only] = statements ?? [];
  if (only === undefined || statements?.length !== 1) return true;
  if (hasFailed) return isDropIndex(only);
  return isCreateIndex(only) ? built.has(only) : true;
}

function refuseWithoutDown({ name, reversible }: MigrationFile, revertDirection: Direction): void {
  if (revertDirection === 'down' && !reversible) throw new RevertFailedError(`${name} has no down()`);
}
