import { Migration } from '@mikro-orm/migrations';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AppliedMigration } from '../../../src/catalog/entities/migration-state.entity.ts';
import { compareNames, type MigrationFile } from '../../../src/migrator/files/migration-file.ts';
import { type Plan, planUp } from '../../../src/migrator/files/plan.ts';

function file(name: string, obstacle?: string): MigrationFile {
  return {
    name,
    scope: 'TENANT',
    hash: `hash of ${name}`,
    transactional: true,
    reversible: false,
    statements: [],
    downStatements: undefined,
    parsed: { up: [], down: undefined },
    obstacle,
    Class: class extends Migration {
      override up(): void {}
    },
  };
}

const appliedOf = (files: readonly MigrationFile[]): AppliedMigration[] =>
  files.map(({ name, hash }) => ({ name, hash }));

const names = (plan: Plan): string[] => (plan.kind === 'steps' ? plan.steps.map(({ name }) => name) : []);

/** Files in order, some of which a database has, in any order. */
const world = fc
  .uniqueArray(fc.stringMatching(/^2026[0-9]{2}_[a-z]$/), { maxLength: 12 })
  .map((list) => list.sort(compareNames).map((name) => file(name)))
  .chain((files) =>
    fc.record({
      files: fc.constant(files),
      applied: fc.shuffledSubarray(files).map(appliedOf),
      to:
        files.length > 0
          ? fc.option(fc.constantFrom(...files.map(({ name }) => name)), { nil: undefined })
          : fc.constant(undefined),
    }),
  );

/** A world in which the database has something at all. */
const migrated = world.filter(({ applied }) => applied.length > 0);

describe('the plan for a database', () => {
  it('is exactly what it lacks up to the target, in order', () => {
    fc.assert(
      fc.property(world, ({ files, applied, to }) => {
        const has = new Set(applied.map(({ name }) => name));
        const lacks = files.map(({ name }) => name).filter((name) => !has.has(name));
        expect(names(planUp(files, applied, to))).toEqual(lacks.filter((name) => to === undefined || name <= to));
      }),
    );
  });

  it('is empty after it has been carried out', () => {
    fc.assert(
      fc.property(world, ({ files, applied, to }) => {
        const plan = planUp(files, applied, to);
        const after = [...applied, ...appliedOf(plan.kind === 'steps' ? plan.steps : [])];
        expect(planUp(files, after, to)).toEqual({ kind: 'steps', steps: [], warnings: [] });
      }),
    );
  });

  it('does not depend on the order of the history, and leaves its arguments alone', () => {
    fc.assert(
      fc.property(world, ({ files, applied, to }) => {
        const frozen = Object.freeze(applied.toSorted((a, b) => compareNames(a.name, b.name)));
        expect(planUp(Object.freeze(files), frozen, to)).toEqual(planUp(files, applied, to));
      }),
    );
  });

  it('warns of each step that is dated before one that is applied, and of no other', () => {
    fc.assert(
      fc.property(world, ({ files, applied, to }) => {
        const plan = planUp(files, applied, to);
        if (plan.kind !== 'steps') throw new Error('was refused');
        const newest = applied
          .map(({ name }) => name)
          .sort(compareNames)
          .at(-1);
        const late = names(plan).filter((name) => newest !== undefined && name < newest);
        expect(plan.warnings).toEqual(
          late.map((name) => `${name} is dated before ${newest}, which is already applied`),
        );
      }),
    );
  });

  it('is refused, with both hashes, if any migration has been changed since it was applied', () => {
    fc.assert(
      fc.property(migrated, fc.nat(), ({ files, applied, to }, index) => {
        const changed = applied[index % applied.length]?.name ?? '';
        const now = files.map((known) => (known.name === changed ? { ...known, hash: 'other' } : known));
        const plan = planUp(now, applied, to);
        expect(plan).toMatchObject({
          kind: 'refusal',
          code: 'MIGRATION_CHANGED',
          migration: changed,
          // Enough of both hashes to be told apart by people, and the whole for programs.
          message: expect.stringMatching(`^${changed} .*its hash was hash of 2026 and is now other\\.`),
          hashes: { recordedHash: `hash of ${changed}`, fileHash: 'other' },
        });
      }),
    );
  });

  it('is refused if any migration has been applied that the code does not have, even one beyond the target', () => {
    fc.assert(
      fc.property(migrated, fc.nat(), ({ files, applied, to }, index) => {
        const gone = applied[index % applied.length]?.name ?? '';
        const left = files.filter(({ name }) => name !== gone);
        const plan = planUp(left, applied, to === gone ? undefined : to);
        expect(plan).toMatchObject({ kind: 'refusal', code: 'MIGRATION_UNKNOWN', migration: gone });
      }),
    );
  });

  it('names the first of several misfits, whatever order they come in', () => {
    const applied = appliedOf([file('c'), file('a'), file('b')]);
    expect(planUp([file('c')], applied)).toMatchObject({ code: 'MIGRATION_UNKNOWN', migration: 'a' });
  });

  it('is refused if a step can be applied to no database, but not for one that is applied or beyond the target', () => {
    const files = [file('a'), file('b', 'is impossible'), file('c')];
    expect(planUp(files, [])).toEqual({
      kind: 'refusal',
      code: 'BAD_USER_INPUT',
      migration: 'b',
      message: 'b is impossible',
    });
    expect(names(planUp(files, appliedOf(files.slice(0, 2))))).toEqual(['c']);
    expect(names(planUp(files, [], 'a'))).toEqual(['a']);
  });
});
