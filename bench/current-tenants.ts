import { randomBytes } from 'node:crypto';
import { FIRST_SERVER } from '../src/catalog/entities/database-server.entity.ts';
import type { Services } from '../src/installation/services.ts';
import { createTenant } from '../src/tenants/create.ts';

/** A statement that takes long would count as lost. */
const AT_ONCE = 10_000;

/**
 * Inserts tenants with all migrations into the catalog, half of them with their own database. They do not exist on the server.
 */
export async function insertCurrentTenants(
  { provisioning, catalog, servers, config }: Services,
  count: number,
): Promise<void> {
  const model = await createTenant(provisioning, { slug: 'model', name: 'Bench', isolation: 'SCHEMA' });
  // The rest of the ten characters of a key.
  const salt = randomBytes(2).toString('hex');
  await catalog.use(async (client) => {
    for (let start = 1; start < count; start += AT_ONCE) {
      await client.query(
        `INSERT INTO tenants (slug, name, host, status, isolation, key, server, database, schema, migration_state)
       SELECT 'tenant-' || n, 'Company ' || md5(n::text), 'tenant-' || n || '.example.com', 'ACTIVE', CASE WHEN has_database THEN 'DATABASE' ELSE 'SCHEMA' END, new.key, m.server,
         CASE WHEN has_database THEN 'db_' || new.key ELSE m.database END,
         CASE WHEN has_database THEN 'public' ELSE 'tenant_' || new.key END, m.migration_state
       FROM tenants m, generate_series($2::int, $3::int) n,
         LATERAL (SELECT $4 || lpad(n::text, 6, '0') AS key, n % 2 = 0 AS has_database) new
       WHERE m.id = $1`,
        [model.id, start, Math.min(start + AT_ONCE, count) - 1, salt],
      );
    }
  });
  // As autovacuum does a moment later. Only the owner may.
  const { server } = await servers.find(FIRST_SERVER);
  await server.owner(config.databases.auth, (client) => client.query('VACUUM ANALYZE tenants'));
}
