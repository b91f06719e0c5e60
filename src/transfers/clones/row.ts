import type pg from 'pg';
import { insertTenantSql } from '../../catalog/tenant-status.ts';
import { takenError } from '../../tenants/names.ts';

/**
 * Inserts the row of the tenant that a clone makes, with the status PROVISIONING. Its transfer finishes or removes it.
 * @param client a connection to `auth`, in the transaction that opens the transfer
 * @throws {AppError} SLUG_TAKEN or HOST_TAKEN
 */
export async function insertClone(client: pg.Client, transfer: string): Promise<void> {
  const { rows } = await client.query<{ slug: string; host: string | null }>(
    'SELECT slug, host FROM tenant_transfers WHERE id = $1',
    [transfer],
  );
  await client
    .query(
      insertTenantSql(
        'id, slug, name, host, isolation, key, server, database, schema, cloned_from',
        (status) => `
          SELECT ${status}, x.tenant_id, x.slug, x.name, x.host, to_isolation, to_key, to_server, to_database, to_schema,
            jsonb_build_object('id', x.source_id, 'slug', x.source_slug, 'checkpoint', c.name)
          FROM tenant_transfers x LEFT JOIN checkpoints c ON c.id = x.checkpoint_id WHERE x.id = $1`,
      ),
      [transfer],
    )
    .catch((error: unknown) => {
      throw takenError(error, rows[0] ?? {}) ?? error;
    });
}
