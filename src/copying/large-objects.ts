import { AppError } from '../lib/errors.ts';
import type { SchemaSession } from './session.ts';

/**
 * Checks that a tenant has no large objects, which belong to no table. In a database that tenants share, those of a tenant are
 * its role's, which has the name of its schema.
 * @throws {AppError} CONFLICT
 * @see https://www.postgresql.org/docs/current/largeobjects.html
 */
export async function refuseLargeObjects({ client, place }: SchemaSession): Promise<void> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM (
       SELECT FROM pg_largeobject_metadata LEFT JOIN pg_roles r ON r.oid = lomowner
       WHERE $1 OR rolname = $2 LIMIT 1000) l`,
    [place.schema === 'public', place.schema],
  );
  const count = rows[0]?.count ?? 0;
  if (count === 0) return;
  throw new AppError(
    'CONFLICT',
    `The database ${place.database} has ${count === 1000 ? 'at least 1000' : count} large ${count === 1 ? 'object' : 'objects'} of this tenant, which belong to no table and are not copied. Move their contents into columns of type bytea, remove them with lo_unlink, and try again.`,
  );
}
