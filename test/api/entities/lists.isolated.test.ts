import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EntityLab, startEntityLab } from './entity-lab.ts';
import { type ThingColumn, thingColumns } from './thing-values.ts';
import { things, thingsTable } from './things.ts';

const ROWS = 40;
const PAGE = 7;

const query = `query ($filter: ThingFilter, $orderBy: [ThingOrderBy!], $first: Int, $after: String, $last: Int, $before: String) {
  things(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {
    totalCount nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;

interface Page {
  readonly things: {
    readonly totalCount: number;
    readonly nodes: readonly { readonly id: string }[];
    readonly pageInfo: {
      readonly hasNextPage: boolean;
      readonly hasPreviousPage: boolean;
      readonly startCursor: string | null;
      readonly endCursor: string | null;
    };
  };
}

/** The same condition, written by hand. */
const conditions: Record<
  string,
  (column: string, literal: (value: string) => string, values: readonly string[]) => string
> = {
  eq: (column, literal, [value = '']) => `${column} = ${literal(value)}`,
  ne: (column, literal, [value = '']) => `${column} != ${literal(value)}`,
  lt: (column, literal, [value = '']) => `${column} < ${literal(value)}`,
  lte: (column, literal, [value = '']) => `${column} <= ${literal(value)}`,
  gt: (column, literal, [value = '']) => `${column} > ${literal(value)}`,
  gte: (column, literal, [value = '']) => `${column} >= ${literal(value)}`,
  in: (column, literal, values) => `${column} IN (${values.map(literal).join()})`,
  notIn: (column, literal, values) => `${column} NOT IN (${values.map(literal).join()})`,
  overlaps: (column, literal, [value = '']) => `${column} && ${literal(value)}`,
};
const textConditions: Record<string, (column: string, value: string) => string> = {
  contains: (column, value) => `position(lower('${value}') in lower(${column})) > 0`,
  startsWith: (column, value) => `starts_with(lower(${column}), lower('${value}'))`,
  endsWith: (column, value) => `right(lower(${column}), ${value.length}) = lower('${value}')`,
};

const seed = Number(process.env.THINGS_SEED ?? Date.now() % 1_000_000);

describe.each(['DATABASE', 'SCHEMA'] as const)(
  `lists of an entity, with isolation ${'%s'} (THINGS_SEED=${seed})`,
  (isolation) => {
    let lab: EntityLab;
    beforeAll(async () => {
      lab = await startEntityLab(things, thingsTable, isolation);
      for (const row of fc.sample(fc.tuple(...thingColumns.map(({ values }) => fc.option(values, { freq: 4 }))), {
        numRuns: ROWS,
        seed,
      })) {
        const names = thingColumns.map(({ name }) => name);
        await lab.sql(
          `INSERT INTO things (${names.join()}) VALUES (${names.map((_, index) => `$${index + 1}`).join()})`,
          row,
        );
      }
    });
    afterAll(() => lab?.[Symbol.asyncDispose]());

    const idsOf = async (sql: string) =>
      (await lab.sql<{ id: string }>(`SELECT id FROM things ${sql}`)).map(({ id }) => id);

    async function filtered(filter: Record<string, unknown>): Promise<string[]> {
      const { things } = await lab.ask<Page>(query, { filter, first: 100 });
      expect(things.totalCount).toBe(things.nodes.length);
      return things.nodes.map(({ id }) => id);
    }

    it.each(thingColumns)('are filtered by $name as in SQL', async (column) => {
      const { name, operators } = column;
      for (const operator of operators) {
        for (const values of fc.sample(fc.array(column.values, { minLength: 1, maxLength: 3 }), { numRuns: 3, seed })) {
          const filter = { [name]: { [operator]: argumentOf(column, operator, values) } };
          const expected = await idsOf(`WHERE ${conditionOf(column, operator, values)} ORDER BY id`);
          expect(await filtered(filter), JSON.stringify(filter)).toEqual(expected);
          const inverse = await idsOf(`WHERE NOT (${conditionOf(column, operator, values)}) ORDER BY id`);
          expect(await filtered({ not: filter }), JSON.stringify(filter)).toEqual(inverse);
        }
      }
      expect(await filtered({ [name]: { isNull: true } })).toEqual(await idsOf(`WHERE ${name} IS NULL ORDER BY id`));
      expect(await filtered({ [name]: { isNull: false } })).toEqual(
        await idsOf(`WHERE ${name} IS NOT NULL ORDER BY id`),
      );
    });

    const ordered = thingColumns.filter(({ name }) => name !== 'json');
    const sorts = { ASC: 'ASC', DESC: 'DESC', ASC_NULLS_FIRST: 'ASC NULLS FIRST', DESC_NULLS_LAST: 'DESC NULLS LAST' };

    it.each(ordered)('are ordered by $name, page by page in both directions', async ({ name }) => {
      for (const [sort, sql] of Object.entries(sorts)) {
        const expected = await idsOf(`ORDER BY ${name} ${sql}, id ${sort.startsWith('DESC') ? 'DESC' : 'ASC'}`);
        await expectPages([{ [name]: sort }], expected);
      }
    });

    it('are ordered by several columns of different directions', async () => {
      const expected = await idsOf('ORDER BY bool DESC NULLS LAST, small, micros DESC, text, id');
      await expectPages([{ bool: 'DESC_NULLS_LAST' }, { small: 'ASC' }, { micros: 'DESC' }, { text: 'ASC' }], expected);
    });

    /** Reads all pages forwards and backwards. */
    async function expectPages(orderBy: readonly object[], expected: readonly string[]): Promise<void> {
      const forwards: string[] = [];
      let after: string | null = null;
      do {
        const { nodes, pageInfo }: Page['things'] = (await lab.ask<Page>(query, { orderBy, first: PAGE, after }))
          .things;
        expect(pageInfo.hasPreviousPage).toBe(after !== null);
        expect(pageInfo.hasNextPage).toBe(forwards.length + PAGE < ROWS);
        forwards.push(...nodes.map(({ id }) => id));
        after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
      } while (after !== null && forwards.length <= ROWS);
      expect(forwards, JSON.stringify(orderBy)).toEqual(expected);
      const backwards: string[] = [];
      let before: string | null = null;
      do {
        const { nodes, pageInfo }: Page['things'] = (await lab.ask<Page>(query, { orderBy, last: PAGE, before }))
          .things;
        backwards.unshift(...nodes.map(({ id }) => id));
        before = pageInfo.hasPreviousPage ? pageInfo.startCursor : null;
      } while (before !== null && backwards.length <= ROWS);
      expect(backwards, JSON.stringify(orderBy)).toEqual(expected);
    }

    it('show every value as it is', async () => {
      const names = thingColumns.map(({ name }) => name);
      const { things } = await lab.ask<{ things: { nodes: Record<string, unknown>[] } }>(
        `{ things(first: 100) { nodes { ${names.join(' ')} } } }`,
      );
      for (const { name, type } of thingColumns.filter(({ toJson }) => !toJson)) {
        const rows = await lab.sql<{ value: string | null }>(`SELECT ${name}::text AS value FROM things ORDER BY id`);
        const shown = things.nodes.map((node) => node[name]);
        const same = await lab.sql<{ value: string | null }>(
          `SELECT v::${type}::text AS value FROM unnest($1::text[]) WITH ORDINALITY u(v, n) ORDER BY n`,
          [shown],
        );
        expect(same, name).toEqual(rows);
      }
      for (const { name, toJson } of thingColumns) {
        if (toJson && name !== 'json') expect(things.nodes.map((node) => typeof node[name])).not.toContain('undefined');
      }
    });

    it('of things that refer to each other are read, filtered and counted in one statement', async () => {
      const [first = ''] = await idsOf('ORDER BY id LIMIT 1');
      await lab.sql(`UPDATE things SET owner_id = $1 WHERE id > $1`, [first]);
      const { thing } = await lab.ask<{ thing: Record<string, { totalCount: number; nodes: unknown[] }> }>(
        `query ($id: ID!) { thing(id: $id) {
        newest: things(first: 2, orderBy: { int: DESC_NULLS_LAST }) { totalCount nodes { int owner { id } } }
        none: things(filter: { owner: { int: { isNull: true }, not: { id: { eq: $id } } } }) { totalCount nodes { id } }
        some: things(last: 3) { nodes { int things { totalCount } } }
      } }`,
        { id: first },
      );
      const newest = await lab.sql<{ int: number }>(
        `SELECT int FROM things WHERE owner_id = $1 ORDER BY int DESC NULLS LAST LIMIT 2`,
        [first],
      );
      expect(thing.newest).toEqual({
        totalCount: ROWS - 1,
        nodes: newest.map(({ int }) => ({ int, owner: { id: first } })),
      });
      const { things } = await lab.ask<{ things: Record<string, unknown> }>(
        `query ($yes: Boolean!, $no: Boolean!) { things(first: 1) {
        nodes { x: things(first: 1) { nodes { id } } ...F @include(if: $yes) ...G @skip(if: $yes) int @include(if: $no) }
        edges { cursor node { x: things(first: 2) { nodes { id } } y: owner { id } } }
        again: edges { node { x: id } }
        pageInfo { startCursor }
      } }
      fragment F on Thing { y: things(first: 1) { totalCount } }
      fragment G on Thing { z: text }`,
        { yes: true, no: false },
      );
      const x = (count: number) => ({ nodes: Array(count).fill({ id: expect.any(String) }) });
      expect(things).toEqual({
        nodes: [{ x: x(1), y: { totalCount: ROWS - 1 } }],
        edges: [{ cursor: expect.any(String), node: { x: x(2), y: null } }],
        again: [{ node: { x: first } }],
        pageInfo: { startCursor: expect.any(String) },
      });
      expect(thing.none).toEqual({ totalCount: 0, nodes: [] });
      expect(thing.some?.nodes).toHaveLength(3);
    });
  },
);

function argumentOf({ toJson = String }: ThingColumn, operator: string, values: readonly string[]): unknown {
  const [value = ''] = values;
  return operator === 'in' || operator === 'notIn' ? values.map((each) => toJson(each)) : toJson(value);
}

function conditionOf({ name, type }: ThingColumn, operator: string, values: readonly string[]): string {
  const literal = (value: string) => `'${value.replaceAll("'", "''")}'::${type}`;
  const write = conditions[operator];
  if (write) return write(name, literal, values);
  const [value = ''] = values;
  if (type !== 'text' && type !== 'varchar') return `${name} @> ${literal(value)}`;
  return textConditions[operator]?.(name, value.replaceAll("'", "''")) ?? expect.unreachable(operator);
}
