import type { CheckDef, DatabaseSchema, DatabaseTable } from '@mikro-orm/sql';
import { ignoreKeysToCommon } from './keys-to-common.ts';

/**
 * Removes from a schema's tables what nobody declares, if it is of a kind that migrations often make by hand: exclusion
 * constraints, triggers, policies, comments, partitions, views, enum types, and keys to tables of `common`. Then it is no
 * difference, and nothing drops it.
 * @param wanted the entities' tables, or those of a snapshot
 */
export function leaveAlone(found: DatabaseSchema, wanted: DatabaseSchema): void {
  ignoreKeysToCommon(found, wanted);
  found.setViews(found.getViews().filter(({ name }) => wanted.hasView(name)));
  const enums = new Set(Object.values(wanted.getNativeEnums()).map(({ name }) => name));
  const native = found.getNativeEnums();
  for (const [key, { name }] of Object.entries(native)) if (!enums.has(name)) delete native[key];
  for (const table of found.getTables()) {
    const said = wanted.getTable(table.name);
    if (said) leaveTableAlone(table, said);
  }
}

function leaveTableAlone(found: DatabaseTable, said: DatabaseTable): void {
  found.setTriggers(found.getTriggers().filter(({ name }) => said.hasTrigger(name)));
  found.setPolicies(found.getPolicies().filter(({ name }) => said.hasPolicy(name)));
  found.setChecks(found.getChecks().filter((check) => said.hasCheck(check.name) || !isExclusion(check)));
  if (!said.rlsEnabled && said.getPolicies().length === 0) found.rlsEnabled = false;
  if (!said.rlsForced) found.rlsForced = false;
  if (!said.getPartitioning()) found.setPartitioning(undefined);
  if (!said.comment) delete found.comment;
  for (const column of found.getColumns()) if (!said.getColumn(column.name)?.comment) delete column.comment;
}

/** MikroORM keeps exclusion constraints among the checks. */
function isExclusion({ expression }: CheckDef): boolean {
  return typeof expression === 'string' && /^\s*exclude\b/i.test(expression);
}
