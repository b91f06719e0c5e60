import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { lockKind } from '../../src/postgres/sql/advisory-lock.ts';
import { findPlaces, placesOf } from '../support/places.ts';
import { startTestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('a server that is killed while it deletes tenants', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
  });
  afterAll(() => postgres[Symbol.asyncDispose]());

  it('leaves each whole, or nothing of it after the next start, whichever step it had come to', async () => {
    const slugs = await killWhileDeleting();
    const begun = await postgres.rows<{ slug: string }>(
      `SELECT slug FROM tenants WHERE status = 'DELETING'`,
      [],
      'auth',
    );
    expect(begun.length).toBeGreaterThan(20);
    const proofs = `SELECT details::jsonb ->> 'slug' AS slug FROM audit_log WHERE action = 'tenant.purge' ORDER BY 1`;
    const proved = await postgres.rows<{ slug: string }>(proofs, [], 'auth');
    await using app = await startTestApp(postgres.env);
    const tenants = await app.services.catalog.fork().find(Tenant, {});
    const left = tenants.map(({ slug }) => slug);
    expect(tenants.filter(({ status }) => status !== 'ACTIVE')).toEqual([]);
    // What was begun is done; what is left had not come to the end of the transaction that begins it, which comes after the
    // checks whether others depend on the tenant.
    expect(left.filter((slug) => begun.some((row) => row.slug === slug))).toEqual([]);
    expect(
      left.every((slug) => /-(before|during)-[1-9]$/.test(slug)),
      left.join(),
    ).toBe(true);
    expect(left.length).toBeGreaterThan(10);

    // Each removal is proved once, by whichever process ended it.
    const slugsOf = (rows: readonly { slug: string }[]) => rows.map(({ slug }) => slug).sort();
    expect(slugsOf(await postgres.rows<{ slug: string }>(proofs, [], 'auth'))).toEqual(slugsOf([...proved, ...begun]));

    expect(await findPlaces(postgres)).toEqual(placesOf(tenants));
    const copies = await postgres.rows<{ name: string }>(
      `SELECT datname AS name FROM pg_database WHERE datname LIKE 'snap\\_%' ORDER BY 1`,
    );
    const known = await postgres.rows('SELECT database AS name FROM checkpoints ORDER BY 1', [], 'auth');
    expect(copies).toEqual(known);
    expect(copies).toHaveLength(tenants.filter(({ isolation }) => isolation === 'DATABASE').length);
    for (const slug of left) {
      const answer = await app.ask('{ products { totalCount } }', await app.tokenFor(slug));
      expect(answer, slug).toEqual({ data: { products: { totalCount: 0 } } });
    }
    for (const slug of slugs.filter((name) => !left.includes(name))) {
      const input = `{ slug: "${slug}", name: "again", isolation: SCHEMA }`;
      const answer = await app.ask(`mutation { createTenant(input: ${input}) { status } }`, app.admin);
      expect(answer, slug).toEqual({ data: { createTenant: { status: 'ACTIVE' } } });
    }
  });

  /** Gives the slugs of all tenants that were to be deleted. */
  async function killWhileDeleting(): Promise<string[]> {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-killed-'));
    const child = spawn(process.execPath, [path.join(import.meta.dirname, '../support/delete-and-stall.ts')], {
      env: {
        ...process.env,
        NODE_ENV: 'test',
        DATA_DIR: dataDir,
        CONNECTION_BUDGET: '150',
        SYSTEM_POOL_SIZE: '100',
        ...postgres.env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 50_000,
    });
    const [printed, [, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    await rm(dataDir, { recursive: true });
    expect(signal, printed).toBe('SIGKILL');
    await expect
      .poll(() => postgres.rows('SELECT FROM pg_locks WHERE classid = $1', [lockKind.alive]), { timeout: 10_000 })
      .toEqual([]);
    return Object.entries<number>(JSON.parse(printed)).flatMap(([isolation, statements]) =>
      Array.from({ length: statements }, (_, index) =>
        ['before', 'during'].map((when) => `${isolation.toLowerCase()}-${when}-${index + 1}`),
      ).flat(),
    );
  }
});
