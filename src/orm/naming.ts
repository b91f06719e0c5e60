import { UnderscoreNamingStrategy } from '@mikro-orm/core';

type NamedKind = Parameters<UnderscoreNamingStrategy['indexName']>[2];

const endings: Partial<Readonly<Record<NamedKind, string>>> = { foreign: 'fkey', unique: 'key', index: 'idx' };

/**
 * Names indexes and constraints as PostgreSQL does by default: `products_sku_key`, `lines_order_id_fkey`. A migration that
 * leaves out the names then creates exactly what the entities declare.
 * @see https://www.postgresql.org/docs/current/sql-createtable.html
 */
export class PostgresNames extends UnderscoreNamingStrategy {
  override indexName(table: string, columns: string[], kind: NamedKind): string {
    const name = super.indexName(table, columns, kind);
    const ending = endings[kind];
    return ending ? `${name.slice(0, -kind.length)}${ending}` : name;
  }
}
