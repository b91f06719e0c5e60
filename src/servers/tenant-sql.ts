import { createHistorySql } from '../migrator/files/history.ts';
import { grantRowsSql } from '../postgres/admin/roles.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { forbidFunctionsSql } from './revoke-functions.ts';

/** Returns SQL that prepares an empty database for one tenant, or as a template. */
export function prepareTenantDatabaseSql(grantee: string): string {
  return `${forbidFunctionsSql} ${prepareTenantSchemaSql('public', grantee)}`;
}

/**
 * Returns SQL that prepares a schema for a tenant's tables. It grants privileges on rows and creates the history, which the
 * grantee may only read. Default privileges cover the tables of later migrations.
 */
export function prepareTenantSchemaSql(schema: string, grantee: string): string {
  return `
    ${grantRowsSql(schema, grantee)}
    ${createHistorySql(schema, 'TENANT')}
    REVOKE INSERT, UPDATE, DELETE ON ${quoteIdentifier(schema)}.migration_history FROM ${quoteIdentifier(grantee)};`;
}
