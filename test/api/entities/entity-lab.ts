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
): Promise<EntityLab> {
  await using stack = new AsyncDisposableStack();
  const migrations = stack.use(await makeMigrationDir({ empty: true }));
  await migrations.add('20261129000000_tables', ...tables);
  const app = stack.use(await startTestApp({ TENANT_MIGRATIONS_DIR: migrations.path }, { product }));
  const server = stack.use(await listen(app.yoga));
  const [tenant = expect.unreachable('no tenant')] = await createTenants(app, [isolation]);
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
    sql: async <Row extends object>(text: string, values: readonly unknown[] = []) => {
      const owner = app.services.servers.get('default') ?? expect.unreachable('no server');
      return owner.owner(tenant.row.database, async (client) => {
        await client.query(`SET search_path = ${quoteIdentifier(tenant.row.schema)}; SET timezone = 'Asia/Tokyo'`);
        return (await client.query<Row>(text, [...values])).rows;
      });
    },
    [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose](),
  };
}
