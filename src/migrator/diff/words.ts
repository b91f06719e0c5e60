import type { Definitions, Verdict } from './definitions.ts';
import { saysSomething, type TableSnapshot } from './snapshot.ts';

type Part = Readonly<Record<string, unknown>>;

/**
 * The definitions of what a snapshot describes, in its own words. They are comparable with those of another snapshot in
 * words of the same origin.
 */
export function definitionsOf({ tables, views }: TableSnapshot): Definitions {
  const found = new Map<string, string>();
  for (const { name: table, columns, indexes, checks, triggers, policies } of tables) {
    for (const { name, expression } of checks) found.set(`constraint ${table}.${name}`, canonical(expression));
    for (const { composite: _, ...index } of indexes) found.set(`index ${table}.${index.keyName}`, canonical(index));
    for (const trigger of triggers) found.set(`trigger ${table}.${trigger.name}`, canonical(trigger));
    for (const policy of policies) found.set(`policy ${table}.${policy.name}`, canonical(policy));
    for (const { name, type, default: value, generated } of columns) {
      // MikroORM knows no length of an array's items, so it could not write the change back.
      if (!String(type).endsWith('[]')) found.set(`type ${table}.${name}`, canonical(type));
      if (!generated) found.set(`default ${table}.${name}`, canonical(value));
      found.set(`generated ${table}.${name}`, canonical(generated));
    }
  }
  for (const { name, definition, materialized } of views) {
    found.set(`view ${name}`, canonical({ definition, materialized }));
  }
  return found;
}

/** JSON in which equal values are equal texts, whatever the order of their keys, and empty ones are left out. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  const entries = Object.entries(value)
    .filter(([, item]) => saysSomething(item))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join()}}`;
}

/**
 * Words what is the same as in the entities, so that both compare as equal without a database.
 * @param found tables as PostgreSQL words them
 * @param wanted the entities' tables
 */
export function inWordsOf(found: TableSnapshot, wanted: TableSnapshot, verdict: Verdict): TableSnapshot {
  const tables = found.tables.map((table) => {
    const said = wanted.tables.find(({ name }) => name === table.name);
    if (!said) return table;
    const { name } = table;
    return {
      ...table,
      checks: worded(table.checks, said.checks, 'name', (one) => verdict(`constraint ${name}.${one}`)),
      indexes: worded(table.indexes, said.indexes, 'keyName', (one) => verdict(`index ${name}.${one}`)),
      triggers: worded(table.triggers, said.triggers, 'name', (one) => verdict(`trigger ${name}.${one}`)),
      policies: worded(table.policies, said.policies, 'name', (one) => verdict(`policy ${name}.${one}`)),
      columns: table.columns.map((column) => {
        const same = said.columns.find((one) => one.name === column.name);
        return same ? wordedColumn(column, same, (what) => verdict(`${what} ${name}.${column.name}`)) : column;
      }),
    };
  });
  const views = worded(found.views, wanted.views, 'name', (name) => verdict(`view ${name}`));
  return { ...found, tables, views };
}

function worded(found: readonly Part[], said: readonly Part[], key: string, verdict: Verdict): Part[] {
  return found.map((part) =>
    verdict(String(part[key])) === 'same' ? (said.find((one) => one[key] === part[key]) ?? part) : part,
  );
}

/** What says the type of a column. */
const typeKeys = ['type', 'mappedType', 'length', 'precision', 'scale', 'unsigned', 'nativeEnumName'] as const;

function wordedColumn(found: Part, said: Part, verdict: Verdict): Part {
  const same: ReadonlySet<string> = new Set([
    ...(verdict('type') === 'same' ? typeKeys : []),
    ...(verdict('default') === 'same' ? ['default'] : []),
    ...(verdict('generated') === 'same' ? ['generated'] : []),
  ]);
  // In the entities' order, so that the file stays as `migrate new` writes it.
  const keys = [...new Set([...Object.keys(said), ...Object.keys(found)])];
  const values = keys.map((key) => [key, (same.has(key) ? said : found)[key]] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}
