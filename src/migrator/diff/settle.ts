import type {
  Column,
  DatabaseSchema,
  DatabaseTable,
  ForeignKey,
  IndexDef,
  SchemaDifference,
  TableDifference,
} from '@mikro-orm/sql';
import type { Verdict } from './definitions.ts';
import { replaceDependentViews } from './dependent-views.ts';
import { remadeEnums } from './enum-values.ts';
import { namesIn } from './names-in.ts';

/**
 * Corrects a difference by what is known to be the same or changed. MikroORM compares texts after removing case, quotes,
 * parentheses and more, so it misses changes and reports some that are none.
 */
export function settle(difference: SchemaDifference, from: DatabaseSchema, to: DatabaseSchema, verdict: Verdict): void {
  const { changedTables, changedViews } = difference;
  for (const toTable of to.getTables()) {
    const key = toTable.getShortestName(false);
    const fromTable = from.getTable(key);
    if (!fromTable) continue;
    const change = changedTables[key] ?? noChange(fromTable, toTable);
    settleTable(change, verdict);
    if (isEmpty(change)) delete changedTables[key];
    else changedTables[key] = change;
  }
  for (const { columns } of remadeEnums(difference)) {
    for (const { table, column } of columns) {
      const change = Object.values(changedTables).find(({ toTable }) => toTable.name === table);
      if (change) replaceTexts(change, column.name);
    }
  }
  for (const view of to.getViews()) {
    const key = view.schema ? `${view.schema}.${view.name}` : view.name;
    const old = from.getView(key) ?? from.getView(view.name);
    const found = verdict(`view ${view.name}`);
    if (!old || found === undefined) continue;
    if (found === 'same') delete changedViews[key];
    else changedViews[key] = { from: old, to: view };
    const indexes = changedTables[key];
    if (!indexes) continue;
    settleIndexes(indexes, verdict);
    if (isEmpty(indexes)) delete changedTables[key];
  }
  replaceDependentViews(difference, from, to);
}

/** Whether a text of an object that both sides have is changed. Only PostgreSQL knows whether it means something else. */
export function changesTexts({ changedTables, changedViews }: SchemaDifference): boolean {
  return (
    Object.keys(changedViews).length > 0 ||
    Object.values(changedTables).some(
      ({ changedChecks, changedIndexes, changedTriggers, changedColumns, ...table }) =>
        [changedChecks, changedIndexes, changedTriggers].some((changes) => Object.keys(changes).length > 0) ||
        Object.values(changedColumns).some(
          ({ changedProperties }) => changedProperties.has('default') || changedProperties.has('type'),
        ) ||
        Object.keys(table.addedColumns).some((name) => name in table.removedColumns) ||
        Object.keys(table.addedPolicies).some((name) => name in table.removedPolicies),
    )
  );
}

function settleTable(change: TableDifference, verdict: Verdict): void {
  const { fromTable, toTable, changedChecks, changedTriggers, addedPolicies, removedPolicies } = change;
  const table = toTable.name;
  settleIndexes(change, verdict);
  for (const check of toTable.getChecks()) {
    if (!fromTable.hasCheck(check.name)) continue;
    settleOne(changedChecks, check.name, check, verdict(`constraint ${table}.${check.name}`));
  }
  for (const trigger of toTable.getTriggers()) {
    if (!fromTable.hasTrigger(trigger.name)) continue;
    settleOne(changedTriggers, trigger.name, trigger, verdict(`trigger ${table}.${trigger.name}`));
  }
  for (const [name, key] of Object.entries(toTable.getForeignKeys())) {
    const old = fromTable.getForeignKeys()[name];
    if (old && rulesOf(old) !== rulesOf(key)) change.changedForeignKeys[name] = key;
  }
  for (const column of toTable.getColumns()) settleColumn(change, column, verdict);
  // MikroORM replaces policies around a change of a column's type, too.
  const replaces = Object.values(change.changedColumns).some(({ changedProperties }) => changedProperties.has('type'));
  for (const policy of replaces ? [] : toTable.getPolicies()) {
    const old = fromTable.getPolicy(policy.name);
    const found = verdict(`policy ${table}.${policy.name}`);
    if (!old) continue;
    settleOne(addedPolicies, policy.name, policy, found);
    settleOne(removedPolicies, policy.name, old, found);
  }
  replaceDependents(change);
}

/** MikroORM takes RESTRICT and NO ACTION for the same, but only the latter can be deferred. */
function rulesOf({ updateRule = 'no action', deleteRule = 'no action' }: ForeignKey): string {
  return `${updateRule} ${deleteRule}`.toLowerCase().replaceAll('"', '');
}

function settleOne<T>(changes: Record<string, T>, name: string, to: T, found: ReturnType<Verdict>): void {
  if (found === 'same') delete changes[name];
  if (found === 'changed') changes[name] = to;
}

function settleIndexes(change: TableDifference, verdict: Verdict): void {
  const { fromTable, toTable, addedIndexes, changedIndexes, removedIndexes } = change;
  for (const index of toTable.getIndexes()) {
    const old = fromTable.getIndexes().find(({ keyName }) => keyName === index.keyName);
    const found = verdict(`index ${toTable.name}.${index.keyName}`);
    if (!old || found === undefined) continue;
    delete addedIndexes[index.keyName];
    delete changedIndexes[index.keyName];
    delete removedIndexes[index.keyName];
    if (found === 'same') continue;
    // A unique constraint and a unique index are dropped by different statements.
    if (index.primary || old.constraint === index.constraint) changedIndexes[index.keyName] = index;
    else Object.assign(change, withReplaced(change, old, index));
  }
}

function withReplaced(
  { addedIndexes, removedIndexes }: TableDifference,
  old: IndexDef,
  index: IndexDef,
): Partial<TableDifference> {
  return {
    addedIndexes: { ...addedIndexes, [index.keyName]: index },
    removedIndexes: { ...removedIndexes, [old.keyName]: old },
  };
}

function settleColumn(change: TableDifference, column: Column, verdict: Verdict): void {
  const { fromTable, toTable, addedColumns, changedColumns, removedColumns } = change;
  const { name } = column;
  const old = fromTable.getColumn(name);
  if (!old) return;
  const object = `${toTable.name}.${name}`;
  const generated = verdict(`generated ${object}`);
  if (generated === 'changed') {
    delete changedColumns[name];
    addedColumns[name] = column;
    removedColumns[name] = old;
    return;
  }
  if (generated === 'same') {
    delete addedColumns[name];
    delete removedColumns[name];
  }
  const properties = new Set(changedColumns[name]?.changedProperties);
  if (generated === 'same') properties.delete('generated');
  for (const property of ['type', 'default'] as const) {
    const found = verdict(`${property} ${object}`);
    const ignored = [old, column].some(({ ignoreSchemaChanges = [] }) => ignoreSchemaChanges.includes(property));
    // MikroORM compares sequences by itself.
    const isSequence = property === 'default' && [old, column].some((each) => isCounted(each));
    if (ignored || isSequence) continue;
    if (found === 'same') properties.delete(property);
    if (found === 'changed') properties.add(property);
  }
  if (properties.size === 0) delete changedColumns[name];
  else changedColumns[name] = { oldColumnName: name, fromColumn: old, column, changedProperties: properties };
}

function isCounted({ autoincrement, default: value }: Column): boolean {
  return autoincrement === true || /^nextval\(/i.test(String(value ?? ''));
}

/** Replaces the indexes and checks whose texts name a column. PostgreSQL would keep its old type in them. */
function replaceTexts({ toTable, fromTable, ...change }: TableDifference, column: string): void {
  const uses = (sql: string) => namesIn(sql).includes(column.toLowerCase());
  for (const index of toTable.getIndexes()) {
    const { keyName, expression = '', where = '' } = index;
    const isKept = fromTable.hasIndex(keyName) && !(keyName in change.addedIndexes);
    if (isKept && uses(`${expression} ${where}`)) change.changedIndexes[keyName] = index;
  }
  for (const check of toTable.getChecks()) {
    if (fromTable.hasCheck(check.name) && uses(String(check.expression))) change.changedChecks[check.name] = check;
  }
}

/** A generated column whose expression changes is dropped, and PostgreSQL drops the indexes and checks that use it. */
function replaceDependents({ toTable, fromTable, ...change }: TableDifference): void {
  const again = Object.keys(change.addedColumns).filter((name) => name in change.removedColumns);
  for (const column of again) {
    for (const index of toTable.getIndexes()) {
      const { keyName, columnNames, include = [] } = index;
      const isUsed = [...columnNames, ...include].includes(column);
      if (isUsed && !index.primary && fromTable.hasIndex(keyName) && !(keyName in change.addedIndexes)) {
        change.changedIndexes[keyName] = index;
      }
    }
    replaceTexts({ toTable, fromTable, ...change }, column);
  }
}

function noChange(fromTable: DatabaseTable, toTable: DatabaseTable): TableDifference {
  return {
    name: fromTable.getShortestName(),
    fromTable,
    toTable,
    addedColumns: {},
    changedColumns: {},
    removedColumns: {},
    renamedColumns: {},
    addedIndexes: {},
    changedIndexes: {},
    removedIndexes: {},
    renamedIndexes: {},
    addedChecks: {},
    changedChecks: {},
    removedChecks: {},
    addedTriggers: {},
    changedTriggers: {},
    removedTriggers: {},
    addedPolicies: {},
    removedPolicies: {},
    addedForeignKeys: {},
    changedForeignKeys: {},
    removedForeignKeys: {},
  };
}

function isEmpty({ name, fromTable, toTable, ...changes }: TableDifference): boolean {
  return Object.values(changes).every(
    (change) => change === undefined || (typeof change === 'object' && Object.keys(change).length === 0),
  );
}
