import { quoteIdentifier } from '../../postgres/sql/quote.ts';

/** The schema for what all tenants of a database share. Each database that holds tenants has one of its own. */
export const commonSchema = 'common';

/**
 * The search path of a tenant's sessions, for requests and for migrations alike: its own schema, in which new objects are
 * created, then {@link commonSchema}. PostgreSQL ignores a schema that does not exist.
 * @see https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATH
 */
export function searchPathOf(schema: string): string {
  return schema === commonSchema ? commonSchema : `${quoteIdentifier(schema)}, ${commonSchema}`;
}
