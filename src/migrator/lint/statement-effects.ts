import type { DropStmt, IndexStmt, Node, RangeVar, RenameStmt, WithClause } from 'libpg-query';
import { alteredTableEffects, rewriteRisk } from './altered-table.ts';
import { alteredDomainRisks, cascadeRisks } from './dependents.ts';
import { lastPart, tableOf, written } from './names.ts';
import { alone, type Risk, rest, type TableEffects, workOf } from './risk.ts';

const noEffects: TableEffects = { creates: [], risks: [], addsNotValid: [], validates: [] };

/**
 * What a statement does to tables that have rows and are in use, as far as its syntax shows it.
 * @param tree undefined if the parser doesn't know the syntax
 * @param text the statement, for advice that repeats it
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
 */
export function tableEffectsOf(tree: Node | undefined, text: string): TableEffects {
  return tree ? { ...noEffects, ...effects(tree, text) } : noEffects;
}

function effects(tree: Node, text: string): Partial<TableEffects> {
  if ('AlterTableStmt' in tree) return alteredTableEffects(tree.AlterTableStmt, text);
  if ('CreateStmt' in tree) return tree.CreateStmt.if_not_exists ? {} : created(tree.CreateStmt.relation);
  if ('CreateTableAsStmt' in tree) {
    const { into, if_not_exists } = tree.CreateTableAsStmt;
    return if_not_exists ? {} : created(into?.rel);
  }
  if ('SelectStmt' in tree && tree.SelectStmt.intoClause) return created(tree.SelectStmt.intoClause.rel);
  if ('IndexStmt' in tree) return { risks: indexRisks(tree.IndexStmt, text) };
  const risks = [...risksOf(tree), ...writesInQueries(tree)];
  return risks.length > 0 ? { risks } : {};
}

/** A statement with IF NOT EXISTS is not meant: the table may be there, with rows. */
function created(relation: RangeVar | undefined): Partial<TableEffects> {
  return relation?.relname === undefined ? {} : { creates: [relation.relname] };
}

function risksOf(tree: Node): readonly Risk[] {
  if ('DropStmt' in tree) return [...dropRisks(tree.DropStmt), ...cascadeRisks(tree.DropStmt, 'drop')];
  if ('RenameStmt' in tree) return renameRisks(tree.RenameStmt);
  if ('AlterDomainStmt' in tree) return alteredDomainRisks(tree.AlterDomainStmt);
  if ('TruncateStmt' in tree) {
    const lost = tablesIn(tree.TruncateStmt.relations).map((table) => lostRisk(table, 'rows'));
    return [...lost, ...cascadeRisks(tree.TruncateStmt, 'empty')];
  }
  if ('UpdateStmt' in tree) return rowRisks(tree.UpdateStmt.relation, 'updates');
  if ('DeleteStmt' in tree) return rowRisks(tree.DeleteStmt.relation, 'deletes');
  if ('MergeStmt' in tree) return rowRisks(tree.MergeStmt.relation, 'merges into');
  if ('LockStmt' in tree) return tablesIn(tree.LockStmt.relations).map(lockRisk);
  if ('ClusterStmt' in tree) return [rewriteRisk(tableOf(tree.ClusterStmt.relation), 'CLUSTER')];
  if ('VacuumStmt' in tree) {
    const isFull = tree.VacuumStmt.options?.some((option) => 'DefElem' in option && option.DefElem.defname === 'full');
    return isFull ? [rewriteRisk(vacuumed(tree.VacuumStmt.rels), 'VACUUM FULL')] : [];
  }
  if ('ReindexStmt' in tree) {
    const { params, relation } = tree.ReindexStmt;
    const isConcurrent = params?.some((option) => 'DefElem' in option && option.DefElem.defname === 'concurrently');
    return isConcurrent ? [] : [rewriteRisk(tableOf(relation), 'REINDEX without CONCURRENTLY')];
  }
  if ('RefreshMatViewStmt' in tree && !tree.RefreshMatViewStmt.concurrent) {
    return [rewriteRisk(tableOf(tree.RefreshMatViewStmt.relation), 'REFRESH MATERIALIZED VIEW without CONCURRENTLY')];
  }
  return [];
}

/** What a statement changes in its WITH clause. */
function writesInQueries(tree: Node): readonly Risk[] {
  const [body] = Object.values(tree) as readonly { readonly withClause?: WithClause }[];
  return (body?.withClause?.ctes ?? []).flatMap((node) => {
    const query = 'CommonTableExpr' in node ? node.CommonTableExpr.ctequery : undefined;
    return query ? risksOf(query) : [];
  });
}

function tablesIn(relations: readonly Node[] | undefined): string[] {
  return (relations ?? []).flatMap((node) => ('RangeVar' in node ? (tableOf(node.RangeVar) ?? []) : []));
}

function vacuumed(relations: readonly Node[] | undefined): string | undefined {
  const [first] = relations ?? [];
  return first && 'VacuumRelation' in first ? tableOf(first.VacuumRelation.relation) : undefined;
}

function indexRisks({ relation, concurrent, indexParams }: IndexStmt, text: string): readonly Risk[] {
  const table = tableOf(relation);
  if (concurrent || table === undefined) return [];
  const columns = (indexParams ?? []).flatMap((node) => ('IndexElem' in node && node.IndexElem.name) || []);
  return [
    {
      rule: 'require-concurrent-index-creation',
      severity: 'WARNING',
      table,
      message: `Nobody can write to ${table} while the index is built (SHARE), for as long as reading and sorting the table takes.`,
      advice: `Build it beside running writes, ${alone}:\n${text.replace(/\bindex\b/i, '$& CONCURRENTLY')};`,
      work: workOf('INDEX', columns),
    },
  ];
}

function dropRisks({ removeType, concurrent, objects }: DropStmt): readonly Risk[] {
  const names = (objects ?? []).map((node) => ('List' in node ? lastPart(node.List.items) : undefined) ?? rest);
  if (removeType === 'OBJECT_TABLE') return names.map((name) => lostRisk(name, 'table'));
  if (removeType !== 'OBJECT_INDEX' || concurrent) return [];
  return names.map((name) => ({
    rule: 'require-concurrent-index-deletion',
    severity: 'INFO',
    table: undefined,
    message: `The table of ${name} cannot be read or written (ACCESS EXCLUSIVE) from here to the end of the tenant's transaction.`,
    advice: `Drop it beside running queries, ${alone}:\nDROP INDEX CONCURRENTLY ${written(name)};`,
  }));
}

function lostRisk(table: string, what: 'rows' | 'table'): Risk {
  return {
    rule: 'ban-drop-table',
    severity: 'WARNING',
    table,
    message: `${what === 'rows' ? 'The rows of' : 'What is in'} ${table} ${what === 'rows' ? 'are' : 'is'} lost. Processes of the old version that still use it fail until they are gone.`,
    advice: `Deploy a version that does not use ${table} first, and take a checkpoint before the run that drops it.`,
  };
}

function renameRisks({ renameType, relationType, relation, subname, newname }: RenameStmt): readonly Risk[] {
  const table = tableOf(relation);
  const isColumn = renameType === 'OBJECT_COLUMN' && relationType === 'OBJECT_TABLE';
  if (table === undefined || !(isColumn || renameType === 'OBJECT_TABLE')) return [];
  const [was, is] = isColumn ? [`${table}.${subname}`, `${table}.${newname}`] : [table, newname ?? ''];
  const old = written((isColumn ? subname : table) ?? '');
  const now = written(newname ?? '');
  return [
    {
      rule: isColumn ? 'renaming-column' : 'renaming-table',
      severity: 'WARNING',
      table,
      message: `Processes of the old version still say ${was}, and those of the new one say ${is} before every tenant has it. One of them fails while the fleet is migrated.`,
      advice: isColumn
        ? `Keep the name in the database and map the property to it, or add a second column, fill it, and drop the old one in a later release:\nALTER TABLE ${written(table)} ADD COLUMN ${now} ${rest};\nALTER TABLE ${written(table)} DROP COLUMN ${old};`
        : `Keep the name in the database, or leave a view behind for the old version:\nALTER TABLE ${old} RENAME TO ${now};\nCREATE VIEW ${old} AS SELECT * FROM ${now};`,
    },
  ];
}

function rowRisks(relation: RangeVar | undefined, verb: string): readonly Risk[] {
  const table = tableOf(relation);
  if (table === undefined) return [];
  return [
    {
      rule: 'changing-rows',
      severity: 'WARNING',
      table,
      message: `It ${verb} rows of ${table} in the tenant's one transaction: they stay locked until its end, and their old versions stay in the table.`,
      advice:
        'Where many rows are changed, write a Backfill instead, which changes them in batches. Where there are few, say so: -- tenantry: allow changing-rows because …',
      work: workOf('UPDATE'),
    },
  ];
}

function lockRisk(table: string): Risk {
  return {
    rule: 'locking-table',
    severity: 'WARNING',
    table,
    message: `${table} stays locked until the end of the tenant's transaction.`,
    advice: 'Leave the lock to the statements that need it.',
  };
}
