import { AppError } from '../lib/errors.ts';
import { shortList } from '../lib/short-list.ts';
import { quoteIdentifier } from '../postgres/sql/quote.ts';
import type { SchemaSession } from './session.ts';

/** How many tables a message names. */
const SHOWN = 5;

/**
 * Checks that PostgreSQL shows this role all rows of a place, and lets it write all. The owner of a table sees them unless row
 * security is forced on it.
 * @throws {AppError} CONFLICT, naming the tables
 * @see https://www.postgresql.org/docs/current/ddl-rowsecurity.html
 */
export async function refuseRowSecurity({ client, place: { schema } }: SchemaSession): Promise<void> {
  const { rows } = await client.query<{ name: string; role: string }>(
    `SELECT relname AS name, current_user AS role FROM pg_class
     WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p') AND relrowsecurity AND row_security_active(oid)
     ORDER BY relname COLLATE "C"`,
    [quoteIdentifier(schema)],
  );
  const [first] = rows;
  if (!first) return;
  const names = rows.map(({ name }) => name);
  throw new AppError(
    'CONFLICT',
    `Row security keeps the role ${first.role} from reading or writing all rows of these tables of ${schema}, so they cannot be copied: ${shortList(names, SHOWN)}. Let a superuser run ALTER ROLE ${first.role} BYPASSRLS, or write a migration with ALTER TABLE … NO FORCE ROW LEVEL SECURITY.`,
    { details: { tables: names.slice(0, SHOWN) } },
  );
}
