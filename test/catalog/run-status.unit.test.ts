import { describe, expect, it } from 'vitest';
import { runItemStatuses, runStatuses } from '../../src/catalog/entities/migration-run.entity.ts';
import {
  canResume,
  endStatus,
  fromSql,
  hasEnded,
  itemSteps,
  openItemStatuses,
  runSteps,
  type StopReason,
} from '../../src/catalog/run-status.ts';
import { toSql } from '../../src/catalog/steps.ts';
import { movesOf } from '../support/moves.ts';

describe('the statuses of a run', () => {
  it('follow each other as the table says', () => {
    expect(movesOf(runSteps)).toEqual([
      'CANCELLED → PENDING',
      'FAILED → PENDING',
      'HALTED → PENDING',
      'PENDING → CANCELLED',
      'PENDING → FAILED',
      'PENDING → HALTED',
      'PENDING → RUNNING',
      'PENDING → SUCCEEDED',
      'RUNNING → CANCELLED',
      'RUNNING → FAILED',
      'RUNNING → HALTED',
      'RUNNING → RUNNING',
      'RUNNING → SUCCEEDED',
      '→ PENDING',
    ]);
  });

  it.each(runStatuses)(
    '%s has either ended or continues, and only runs that have not succeeded can be resumed',
    (status) => {
      expect(hasEnded(status)).toBe(status !== 'PENDING' && status !== 'RUNNING');
      expect(canResume(status)).toBe(hasEnded(status) && status !== 'SUCCEEDED');
    },
  );

  it.each<[failed: number, cancelled: number, stopping: StopReason | null, status: string]>([
    [0, 0, null, 'SUCCEEDED'],
    [2, 0, null, 'FAILED'],
    [0, 0, 'CANCELLED', 'SUCCEEDED'],
    [2, 0, 'CANCELLED', 'FAILED'],
    [0, 3, 'CANCELLED', 'CANCELLED'],
    [2, 3, 'CANCELLED', 'CANCELLED'],
    [2, 0, 'HALTED', 'FAILED'],
    [2, 3, 'HALTED', 'HALTED'],
  ])('with %i failed and %i not started, stopping for %s, it ends as %s', (failed, cancelled, stopping, status) => {
    expect(endStatus({ failed, cancelled }, stopping)).toBe(status);
  });

  it.each([null, 'HALTED', 'CANCELLED'] as const)('never contradict the counts, stopping for %s', (stopping) => {
    for (const failed of [0, 1, 7]) {
      for (const cancelled of stopping ? [0, 1, 7] : [0]) {
        const status = endStatus({ failed, cancelled }, stopping);
        const left = failed + cancelled;
        expect(status === 'SUCCEEDED', `${status} with ${failed} failed, ${cancelled} not started`).toBe(left === 0);
        expect(canResume(status), `${status} can be resumed`).toBe(left > 0);
        if (status === 'FAILED') expect(failed).toBeGreaterThan(0);
        if (status === 'HALTED' || status === 'CANCELLED') expect(cancelled).toBeGreaterThan(0);
      }
    }
  });
});

describe('the statuses of a tenant in a run', () => {
  it('follow each other as the table says', () => {
    expect(movesOf(itemSteps)).toEqual([
      'CANCELLED → PENDING',
      'CANCELLED → SKIPPED',
      'FAILED → PENDING',
      'FAILED → SKIPPED',
      'PENDING → CANCELLED',
      'PENDING → RUNNING',
      'RUNNING → FAILED',
      'RUNNING → PENDING',
      'RUNNING → SKIPPED',
      'RUNNING → SUCCEEDED',
      '→ PENDING',
      '→ SKIPPED',
    ]);
  });

  it('are open as long as a worker may still change them', () => {
    const workers = [itemSteps.claim, itemSteps.finish, itemSteps.release, itemSteps.takeOver];
    const changed = new Set(workers.flatMap(({ from }): readonly string[] => from));
    expect(runItemStatuses.filter((status) => changed.has(status))).toEqual(openItemStatuses);
  });

  it('reach SQL as literals', () => {
    expect(fromSql('resume', 'i.status')).toBe("i.status IN ('FAILED', 'CANCELLED')");
    expect(toSql(itemSteps.cancel)).toBe("status = 'CANCELLED'");
  });
});
