import { commonSchema } from '../migrator/files/common-schema.ts';
import { historyTable } from '../migrator/files/history.ts';
import type { MigrationFile } from '../migrator/files/migration-files.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import type { InstallationRoles } from '../routing/placement.ts';
import { prepareCommonSql } from '../servers/shared/common-line.ts';

/** Sets the search path of the tenant whose schema is in the variable `schema`, or that has a database of its own. */
export const searchPathScript = `\\if :{?schema}
SET search_path TO :"schema", ${commonSchema};
\\else
SET search_path TO public, ${commonSchema};
\\endif`;

/**
 * The part of a psql script that brings `common` forward in the tenant's database. It skips what another tenant's script has
 * applied already. Empty if nothing is pending.
 */
export function commonScript(files: readonly MigrationFile[], roles: InstallationRoles): string {
  if (files.length === 0) return '';
  return `SELECT to_regclass('${commonSchema}.${historyTable}') IS NULL AS is_new
\\gset
\\if :is_new
BEGIN;
\\if :{?schema}
${prepareCommonSql(roles.schemaTenants)}
\\else
${prepareCommonSql(roles.databaseTenants)}
\\endif
COMMIT;
\\endif
SET search_path TO ${commonSchema};
${files.map(fileScript).join('\n')}
${searchPathScript}`;
}

function fileScript({ name, hash, statements, transactional }: MigrationFile): string {
  // The semicolon goes on its own line because a statement may end with a comment.
  const sql = (statements ?? []).map((statement) => `${statement.trim()}\n;`).join('\n');
  const values = ['COMMON', name, hash, 'APPLIED'].map(quoteLiteral).join(', ');
  const record = `INSERT INTO ${commonSchema}.${historyTable} (scope, name, hash, status) VALUES (${values});`;
  const script = transactional ? `BEGIN;\n${sql}\n${record}\nCOMMIT;` : `${sql}\n${record}`;
  const isApplied = `SELECT FROM ${commonSchema}.${historyTable} WHERE name = ${quoteLiteral(name)} AND status = 'APPLIED'`;
  return `-- ${name}, of ${commonSchema}
SELECT NOT EXISTS (${isApplied}) AS pending
\\gset
\\if :pending
${script}
\\endif`;
}
