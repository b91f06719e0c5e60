import type pg from 'pg';
import { expect } from 'vitest';
import type { Isolation } from '../../../src/catalog/entities/tenant.entity.ts';
import type { Product } from '../../../src/installation/product.ts';
import { quoteIdentifier } from '../../../src/postgres/sql/quote.ts';
import { type Listening, listen } from '../../support/listen.ts';
import { makeMigrationDir } from '../../support/migration-dir.ts';
import { startTestApp, type TestApp } from '../../support/start-app.ts';
import { createTenants, type TestTenant } from '../../support/tenants.ts';

/** A tenant with tables of a test's own, whose rows can be asked for in SQL too. */
export interface EntityLab extends AsyncDisposable {
  readonly app: TestApp;
  readonly server: Listening;
  readonly tenant: TestTenant;
  /** Asks as a member, or with other headers, and returns the data. */
  ask<Data>(query: string, variables?: Record<string, unknown>, headers?: Record<string, string>): Promise<Data>;
  /** Asks what must fail and returns the first error. */
  refused(
    query: string,
    variables?: Record<string, unknown>,
  ): Promise<{ message: string; extensions: Record<string, unknown> }>;
  /** Sends a statement as the owner of the tenant's tables. */
  sql<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** Starts a server with such a tenant. */
export async function startEntityLab(
  product: Product,
  tables: readonly string[],
  isolation: Isolation,
  env: Record<string, string> = {},
): Promise<EntityLab> {
  await using stack = new AsyncDisposableStack();
  const migrations = stack.use(await makeMigrationDir({ empty: true }));
  await migrations.add('20261129000000_tables', ...tables);
  const app = stack.use(await startTestApp({ TENANT_MIGRATIONS_DIR: migrations.path, ...env }, { product }));
  const server = stack.use(await listen(app.yoga));
  const [tenant = expect.unreachable('no tenant')] = await createTenants(app, [isolation]);
  const { client, release } = await holdOwner(app, tenant);
  stack.defer(release);
  const parts = stack.move();
  const send = async (query: string, variables: Record<string, unknown> = {}, headers = tenant.member) =>
    (await server.post({ query, variables }, headers)).body;
  return {
    app,
    server,
    tenant,
    async ask<Data>(query: string, variables?: Record<string, unknown>, headers?: Record<string, string>) {
      const { data, errors } = await send(query, variables, headers);
      expect(errors, JSON.stringify(variables)).toBeUndefined();
      // The caller knows what the query asks for.
      return data as Data;
    },
    async refused(query, variables) {
      const { errors: [error] = [] } = await send(query, variables);
      return error ?? expect.unreachable(`${query} was not refused`);
    },
    sql: async <Row extends object>(text: string, values: readonly unknown[] = []) =>
      (await client.query<Row>(text, [...values])).rows,
    [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose](),
  };
}

/** Holds a connection of the owner of the tenant's tables, whose session has settings that requests must not depend on. */
async function holdOwner({ services }: TestApp, { row }: TestTenant) {
  const opened = Promise.withResolvers<pg.Client>();
  const over = Promise.withResolvers<void>();
  const server = services.servers.get('default') ?? expect.unreachable('no server');
  const held = server.owner(row.database, async (client) => {
    await client.query(`SET search_path = ${quoteIdentifier(row.schema)}; SET timezone = 'Asia/Tokyo'`);
    opened.resolve(client);
    await over.promise;
  });
  return {
    client: await opened.promise,
    release: async () => {
      over.resolve();
      await held;
    },
  };
}
