import fc from 'fast-check';
import { Model, type Part, pick, table, usual } from './migration-parts.ts';

/** A migration that the property test writes. */
export interface GeneratedMigration {
  /** What its `up()` adds, in order. */
  readonly statements: readonly string[];
  /** Whether it is not transactional. */
  readonly alone: boolean;
}

/** A list of migrations, and what a comparison has to know of it. */
export interface GeneratedList {
  readonly migrations: readonly GeneratedMigration[];
}

/** A row whose key is missing: refused, unless an earlier file has turned off keys for it too. */
const missingKey: Part = (model, choice) => {
  const found = pick(model.deferred, choice);
  return found ? [`INSERT INTO ${found} VALUES (${choice + 1000}, 999)`] : table(model, choice);
};

/** Settings after which the file itself can do nothing more; they come last in it. */
const lastSettings = [
  `SELECT pg_catalog.set_config('search_path', '', false)`,
  'SET LOCAL ROLE pg_monitor',
  'SET ROLE pg_monitor',
  'SET SESSION AUTHORIZATION pg_monitor',
  'SET search_path = pg_catalog',
];

/** What must be refused: nothing of it is in any tenant, whichever way. */
const refused: Part = (model, choice) => {
  const name = model.next('leak');
  const forms = [
    `CREATE TABLE ${name} (id int); COMMIT; SELECT 1`,
    `CREATE FUNCTION ${name}(begin int) RETURNS int LANGUAGE sql RETURN begin; CREATE TABLE ${name} (id int); COMMIT; SELECT 1`,
    `CREATE TABEL ${name} (id int)`,
    `SELECT 1 +`,
    `INSERT INTO ${name} VALUES (1`,
    `SELECT 'open`,
    'ROLLBACK',
    'ROLLBACK TO SAVEPOINT a',
    'RELEASE SAVEPOINT tenantry_step',
    `DO $$ BEGIN CREATE TABLE ${name} (id int); COMMIT; END $$`,
    `CREATE TABLE ${name} (id int) /* open`,
  ];
  return [`CREATE TABLE ${name}_before (id int)`, pick(forms, choice) ?? ''];
};

const concurrentIndex: Part = (model, choice) => {
  const found = pick(model.tables, choice);
  if (!found) return [];
  const name = model.next('i');
  const forms = [
    `CREATE INDEX CONCURRENTLY ${name} ON ${found} (label)`,
    `CREATE INDEX CONCURRENTLY ON ${found} (label)`,
    `CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "${name} Ü" ON ${found} (id, label)`,
    `CREATE FUNCTION ${name}_f(begin timestamptz) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; CREATE INDEX CONCURRENTLY ${name} ON ${found} (label)`,
    `/* first */ create index concurrently ${name} on ${found} using btree (label) where id > 0`,
  ];
  return [pick(forms, choice) ?? ''];
};

interface FileChoice {
  readonly parts: readonly (readonly [number, number])[];
  readonly last: number;
  readonly kind: number;
}

const number = fc.nat({ max: 1 << 16 });
const fileChoice: fc.Arbitrary<FileChoice> = fc.record({
  parts: fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 4 }),
  last: fc.nat({ max: 30 }),
  kind: fc.nat({ max: 60 }),
});

/**
 * The kinds of parts that a list is made of; none means all of them. Parts of the same kinds affect each other more often, so
 * lists of few kinds find what long lists of all kinds rarely do.
 * @see https://doi.org/10.1145/2338965.2336763 "Swarm testing"
 */
const kindChoice = fc.oneof(fc.constant([]), fc.array(number, { minLength: 1, maxLength: 3 }));

/** Lists of one to five migrations that build on each other. */
export const generatedList: fc.Arbitrary<GeneratedList> = fc
  .tuple(kindChoice, fc.array(fileChoice, { minLength: 1, maxLength: 5 }))
  .map(([kinds, choices]) => {
    const model = new Model();
    const parts = kinds.length > 0 ? kinds.flatMap((kind) => pick(usual, kind) ?? []) : usual;
    // What a list that fails leaves behind is compared only where one transaction holds it.
    const failing = choices.some(({ kind }) => kind < 4);
    const migrations = choices.map((choice): GeneratedMigration => {
      if (choice.kind > 52 && !failing) {
        const statements = choice.parts.flatMap(([, form]) => concurrentIndex(model, form));
        if (statements.length > 0) return { statements, alone: true };
      }
      const statements = choice.parts.flatMap(([part, form]) => (pick(parts, part) ?? table)(model, form));
      if (choice.kind === 0) statements.push(...missingKey(model, choice.last));
      else if (choice.kind < 4) statements.push(...refused(model, choice.last));
      else if (choice.last < lastSettings.length) statements.push(lastSettings[choice.last] ?? '');
      return { statements, alone: false };
    });
    return { migrations };
  });
