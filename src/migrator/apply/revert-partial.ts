import type pg from 'pg';
import { messageOf } from '../../lib/errors.ts';
import type { Statement } from '../../postgres/sql/statements.ts';
import { type NewRecord, readDoneByRun, readHistory } from '../files/history.ts';
import type { Direction, MigrationFile } from '../files/migration-file.ts';
import { applySteps } from './apply-steps.ts';
import { type MigrateOptions, type MigrationFailedError, planBatch } from './batch.ts';
import { BuiltIndexes } from './concurrent-indexes.ts';
import { executeStepAlone } from './execute.ts';
import { aloneInSession, applyAlone, inPartTransaction, prepareAlone } from './non-transactional.ts';
import { clearInProgressSql, isInterrupted } from './partial-mark.ts';

/** A batch in parts failed and could not be reverted. An operator has to check the tenant. */
export class RevertFailedError extends Error {
  override readonly name = 'RevertFailedError';
}

/**
 * Reverts what a run has done to a tenant without a snapshot, after a step failed or was interrupted. First it removes
 * the traces of that step, then it reverts the run's steps by `down()`, the last one first; or by `up()` if the run
 * itself reverts. It can be repeated.
 * @param client the owner's connection, outside a transaction
 * @param run the run that failed
 * @returns the rows recorded in the tenant's history; undefined if this run has no unfinished batch in parts there
 * @throws {RevertFailedError} naming the step at which it stopped
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
      if (!step) throw new RevertFailedError(`${name} cannot be reverted, because its file is missing`);
      // What comes before a backfill was complete before it began.
      if (step.backfill && !options.down) break;
      records.push(...(await revertStep(client, step, revertDirection, options)));
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
): Promise<NewRecord[]> {
  refuseWithoutDown(step, revertDirection);
  try {
    if (!step.transactional) {
      return [await applyAlone(client, step, revertDirection, { ...options, isRepeated: true })];
    }
    const down = options.down ? undefined : ({ kind: 'steps', steps: 1 } as const);
    return await inPartTransaction(client, options, () => applySteps(client, [step], { ...options, down }));
  } catch (error) {
    throw new RevertFailedError(`${step.name} could not be reverted: ${messageOf(error)}`, { cause: error });
  }
}

/** The interrupted step is the first one that is not recorded. */
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
    throw new RevertFailedError(`The interrupted step cannot be determined: ${messageOf(error)}`, { cause: error });
  }
  if (next) await removeTraces(client, next, revertDirection, options, false);
}

/** @param hasFailed false if the step was interrupted; it may have completed then */
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
    const statements = step.parsed[revertDirection === 'down' ? 'up' : 'down'];
    if (!mayHaveLeft(statements, hasFailed, built)) return;
    refuseWithoutDown(step, revertDirection);
    await executeStepAlone(client, step, revertDirection, (...done) => built.isDone(...done));
    await prepareAlone(client, step, options);
  } catch (error) {
    if (error instanceof RevertFailedError) throw error;
    throw new RevertFailedError(
      `What ${step.name} did before it ${hasFailed ? 'failed' : 'was interrupted'} could not be undone: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/**
 * Whether a step has left anything besides INVALID indexes, which are dropped by now. A single failed statement leaves
 * nothing, except that a failed drop may have removed the index. Of several statements, some may have been carried out.
 */
function mayHaveLeft(statements: readonly Statement[] | undefined, hasFailed: boolean, built: BuiltIndexes): boolean {
  const [only] = statements ?? [];
  if (only === undefined || statements?.length !== 1) return true;
  if (hasFailed) return only.dropsIndex;
  return only.buildsIndex ? built.has(only) : true;
}

function refuseWithoutDown({ name, reversible }: MigrationFile, revertDirection: Direction): void {
  if (revertDirection === 'down' && !reversible) throw new RevertFailedError(`${name} has no down()`);
}
