import { randomUUID } from 'node:crypto';
import type { Services } from '../src/installation/services.ts';
import { insertHistorySql } from '../src/migrator/files/history.ts';
import { createLoginRoleSql } from '../src/postgres/admin/roles.ts';
import { quoteIdentifier } from '../src/postgres/sql/quote.ts';
import { inTransaction } from '../src/postgres/sql/transaction.ts';
import { installationRoles } from '../src/routing/placement.ts';
import { prepareTenantSchemaSql } from '../src/servers/tenant-sql.ts';
import { createTenant } from '../src/tenants/create.ts';
import { type Benchmark, compare, interleave, timed } from './harness.ts';
import { type BenchInstallation, openBenchInstallation } from './installation.ts';

/** Creating a tenant, compared with the statements that are the minimum. */
export const createTenants: Benchmark = {
  name: 'create-tenant',
  about: 'createTenant, compared with a bare CREATE DATABASE and with the same statements in plain pg',
  async run(signal) {
    const rounds = { rounds: 80, warmUp: 20, signal };
    await using place = await openBenchInstallation();
    await using app = await place.openApp();
    const { services } = app;
    const create = (isolation: 'DATABASE' | 'SCHEMA') => () =>
      timed(() => createTenant(services.provisioning, { slug: randomUUID().slice(4), name: 'Bench', isolation }));
    // The template is built in the background. Creating the first tenant waits for it.
    await create('DATABASE')();
    const databases = await interleave({ baseline: await bareClone(place), tenantry: create('DATABASE') }, rounds);
    const schemas = await interleave(
      { baseline: await plainSchema(place, services), tenantry: create('SCHEMA') },
      rounds,
    );
    return [
      compare('create a tenant with a database', 'ms', { atMost: 1.5 }, databases),
      compare('create a tenant with a schema', 'ms', { atMost: 1.5 }, schemas),
    ];
  },
};

/** Only `CREATE DATABASE … TEMPLATE`, on an open connection. */
async function bareClone(place: BenchInstallation): Promise<(round: number) => Promise<number>> {
  const admin = await place.connect();
  const { rows } = await admin.query<{ name: string }>(
    `SELECT datname AS name FROM pg_database WHERE starts_with(datname, '${place.prefix}_auth_template_')`,
  );
  const template = quoteIdentifier(rows[0]?.name ?? '');
  return (round) => {
    const name = quoteIdentifier(`${place.prefix}_clone_${round}`);
    return timed(() => admin.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY WAL_LOG`));
  };
}

/**
 * The tenant's row, role, schema, tables and history in a single transaction with few round trips. Tenantry needs three databases
 * and transactions, so that a crash in between loses nothing.
 */
async function plainSchema(place: BenchInstallation, services: Services): Promise<(round: number) => Promise<number>> {
  const client = await place.connect(services.config.databases.shared);
  await client.query(`CREATE TABLE plain_tenants (id uuid PRIMARY KEY, slug text UNIQUE, name text, status text,
    schema text UNIQUE, version text, created_at timestamptz DEFAULT now())`);
  const { schemaTenants } = installationRoles(services.config.databases.auth);
  const files = await services.migrations.tenant.read();
  return (round) => {
    const schema = `${place.prefix}_plain_${round}`;
    const id = randomUUID();
    const role = createLoginRoleSql(schema, 'x'.repeat(43), schemaTenants);
    const setupSql = `${role} CREATE SCHEMA ${quoteIdentifier(schema)}; ${prepareTenantSchemaSql(schema, schema)}`;
    const record = (name: string, hash: string) =>
      insertHistorySql(schema, 'TENANT', [
        { name, hash, status: 'APPLIED', run: undefined, checkpoint: undefined, durationMs: 1 },
      ]);
    return timed(() =>
      inTransaction(client, async () => {
        await client.query(
          `INSERT INTO plain_tenants (id, slug, name, status, schema) VALUES ($1, $2, 'Bench', 'PROVISIONING', $2)`,
          [id, schema],
        );
        await client.query(`${setupSql} SET LOCAL search_path = ${quoteIdentifier(schema)}, public`);
        for (const { name, hash, statements = [] } of files) {
          await client.query(statements.join(';'));
          await client.query(record(name, hash));
        }
        await client.query(`UPDATE plain_tenants SET status = 'ACTIVE', version = $2 WHERE id = $1`, [
          id,
          files.at(-1)?.name,
        ]);
      }),
    );
  };
}
