import { createHistorySql } from '../migrator/files/history.ts';
import { grantRowsSql } from '../postgres/admin/roles.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import { forbidFunctionsSql } from './revoke-functions.ts';

/** SQL that prepares an empty database of one tenant, or the template of such. */
export function prepareTenantDatabaseSql(grantee: string): string {
  return `${forbidFunctionsSql} ${prepareTenantSchemaSql('public', grantee)}`;
}

/**
 * SQL that prepares a schema for a tenant's tables: the rights on rows of whoever serves it, and the history, which they
 * may read only. Tables that migrations make afterwards get the same rights by themselves.
 */
export function prepareTenantSchemaSql(schema: string, grantee: string): string {
  return `
    ${grantRowsSql(schema, grantee)}
    ${createHistorySql(schema, 'TENANT')}
    REVOKE INSERT, UPDATE, DELETE ON ${quoteIdentifier(schema)}.migration_history FROM ${quoteIdentifier(grantee)};`;
}
