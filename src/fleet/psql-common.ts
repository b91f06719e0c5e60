import { commonSchema } from '../migrator/files/common-schema.ts';
import type { MigrationFile } from '../migrator/files/migration-file.ts';
import { quoteLiteral } from '../postgres/sql/quote.ts';
import type { InstallationRoles } from '../routing/placement.ts';
import { namesIn, prepareCommonSql } from '../servers/shared/common-line.ts';
import { tenantSchemaPattern } from '../servers/shared/schema-dependents.ts';
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
${moveMisplaced(files)}
${files.map(fileScript).join('\n')}`;
}

/** As a run does, before `CREATE EXTENSION IF NOT EXISTS` would leave an extension where it is. */
function moveMisplaced(files: readonly MigrationFile[]): string {
  const named = [...namesIn(files)].map(quoteLiteral);
  return `SELECT format('ALTER EXTENSION %I SET SCHEMA ${commonSchema}', extname)
FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
WHERE extrelocatable AND (nspname ~ '${tenantSchemaPattern}' OR nspname = 'public' AND extname = ANY (ARRAY[${named.join(', ')}]::text[]))
\\gexec`;
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
