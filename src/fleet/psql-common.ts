import { commonSchema } from '../migrator/files/common-schema.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import type { InstallationRoles } from '../routing/placement.ts';
import { prepareCommonSql } from '../servers/shared/common-line.ts';
import { commonTarget, stepScript } from './psql-steps.ts';

/**
 * The part of a psql script that brings `common` forward in the tenant's database. It skips what another tenant's script has
 * applied already. Empty if nothing is pending.
 */
export function commonScript(files: readonly MigrationFile[], roles: InstallationRoles): string {
  if (files.length === 0) return '';
  return `SELECT to_regclass('${commonTarget.history}') IS NULL AS is_new
\\gset
\\if :is_new
BEGIN;
\\if :in_schema
${prepareCommonSql(roles.schemaTenants)}
\\else
${prepareCommonSql(roles.databaseTenants)}
\\endif
COMMIT;
\\endif
${files.map(fileScript).join('\n')}`;
}

function fileScript(file: MigrationFile): string {
  const step = stepScript(file, commonTarget);
  const isApplied = `SELECT FROM ${commonTarget.history} WHERE name = ${quoteLiteral(file.name)} AND status = 'APPLIED'`;
  return `-- Of ${commonSchema}:
SELECT NOT EXISTS (${isApplied}) AS pending
\\gset
\\if :pending
${file.transactional ? `BEGIN;\n${step}\nCOMMIT;` : step}
\\endif`;
}
