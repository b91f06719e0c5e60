import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { lockKind } from '../../src/postgres/sql/advisory-lock.ts';
import { recoverTenants } from '../../src/tenants/recover.ts';
import { type MigrationDir, makeMigrationDir } from '../support/migration-dir.ts';
import { findPlaces, placesOf } from '../support/places.ts';
import { startServer } from '../support/server-process.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

describe('a server that is killed while it creates tenants', () => {
  let postgres: TestPostgres;
  let broken: MigrationDir;
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    broken = await makeMigrationDir();
    await broken.add('20270101000000_broken', 'SELECT 1 / 0');
    await (await startTestApp(postgres.env))[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await postgres[Symbol.asyncDispose]();
    await broken[Symbol.asyncDispose]();
  });

  it('leaves nothing half done after the next start, whichever step it had come to', async () => {
    const { slugs, unfinished } = await killWhileCreating('finish');
    expect(unfinished).toBeGreaterThan(10);
    await using app = await startTestApp(postgres.env);
    const gone = await expectAllWhole(app, 'finish', slugs);
    // Only those whose row was not there yet; everything else can be finished.
    expect(gone.every((slug) => /-(before|during)-[123]$/.test(slug))).toBe(true);
  });

  it('leaves nothing at all of what the next start cannot finish', async () => {
    const { slugs, unfinished } = await killWhileCreating('remove');
    expect(unfinished).toBeGreaterThan(10);
    {
      await using _ = await startTestApp({ ...postgres.env, TENANT_MIGRATIONS_DIR: broken.path });
    }
    await using app = await startTestApp(postgres.env);
    const gone = await expectAllWhole(app, 'remove', slugs);
    expect(gone.length).toBeGreaterThanOrEqual(unfinished);
  });

  it('leaves nothing half done of tenants that are migrated since their template is in use', async () => {
    const template = await templateName();
    await postgres.rows(`ALTER DATABASE ${template} WITH ALLOW_CONNECTIONS true`);
    const inUse = await postgres.connect(template);
    const { slugs, unfinished } = await killWhileCreating('busy', { ISOLATIONS: 'DATABASE' });
    await inUse.end();
    await postgres.rows(`ALTER DATABASE ${template} WITH ALLOW_CONNECTIONS false`);
    expect(unfinished).toBeGreaterThan(10);
    await using app = await startTestApp(postgres.env);
    await expectAllWhole(app, 'busy', slugs);
  });

  it('leaves nothing half done of tenants whose creation has failed and that are being removed', async () => {
    const env = { ISOLATIONS: 'SCHEMA', TENANT_MIGRATIONS_DIR: broken.path };
    const { slugs, unfinished } = await killWhileCreating('failed', env);
    expect(unfinished).toBeGreaterThan(10);
    await using app = await startTestApp(postgres.env);
    await expectAllWhole(app, 'failed', slugs);
  });

  it('leaves no database that PostgreSQL still makes for a server that is gone, while another one removes it', async () => {
    await using other = await startTestApp({ ...postgres.env, TENANT_MIGRATIONS_DIR: broken.path });
    const template = await templateName();
    const holdUp = await postgres.connect();
    await holdUp.query(`BEGIN; ALTER DATABASE ${template} RENAME TO held_up`);
    {
      const env = { ...postgres.env, NODE_ENV: 'test', DATA_DIR: other.services.config.dataDir };
      await using server = startServer(env);
      const client = await server.listening();
      const query = 'mutation { createTenant(input: { slug: "held-up", name: "x" }) { id } }';
      client.post({ query }, other.admin).catch(() => undefined);
      await expect.poll(() => statementsThatWait('CREATE DATABASE%'), { timeout: 10_000 }).toBe(1);
      // A server that stops by itself cancels what it does.
      await server.end('SIGKILL');
    }
    await expect
      .poll(() => postgres.rows('SELECT FROM pg_locks WHERE classid = $1', [lockKind.alive]), { timeout: 10_000 })
      .toHaveLength(1);
    expect(await statementsThatWait('CREATE DATABASE%')).toBe(1);
    const removed = recoverTenants(other.services.provisioning);
    await Promise.race([removed, expect.poll(() => statementsThatWait('%advisory%'), { timeout: 10_000 }).toBe(1)]);
    await holdUp.query('ROLLBACK');
    await removed;
    await expect
      .poll(() =>
        postgres.rows(`SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE DATABASE%'`),
      )
      .toEqual([]);
    const tenants = await other.services.catalog.fork().find(Tenant, {});
    expect(tenants.map(({ slug }) => slug)).not.toContain('held-up');
    expect(await findPlaces(postgres)).toEqual(placesOf(tenants));
  });

  async function templateName(): Promise<string> {
    const [template] = await postgres.rows<{ name: string }>(
      `SELECT datname AS name FROM pg_database WHERE datname LIKE 'auth\\_template\\_%'`,
    );
    return template?.name ?? '';
  }

  async function statementsThatWait(like: string): Promise<number> {
    const waiting = await postgres.rows(
      `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`,
      [like],
    );
    return waiting.length;
  }

  /** Gives the slugs that were to be created, and how many of them have a row that says that they are not. */
  async function killWhileCreating(prefix: string, env: Record<string, string> = {}) {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-killed-'));
    const child = spawn(process.execPath, [path.join(import.meta.dirname, '../support/create-and-stall.ts')], {
      env: {
        ...process.env,
        NODE_ENV: 'test',
        DATA_DIR: dataDir,
        CONNECTION_BUDGET: '150',
        SYSTEM_POOL_SIZE: '100',
        SLUG_PREFIX: prefix,
        ISOLATIONS: 'DATABASE SCHEMA',
        ...postgres.env,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 100_000,
    });
    const [printed, [, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    await rm(dataDir, { recursive: true });
    expect(signal, printed).toBe('SIGKILL');
    const slugs = Object.entries<number>(JSON.parse(printed)).flatMap(([isolation, statements]) =>
      Array.from({ length: statements }, (_, index) =>
        ['before', 'during'].map((when) => `${prefix}-${isolation.toLowerCase()}-${when}-${index + 1}`),
      ).flat(),
    );
    await expect
      .poll(() => postgres.rows('SELECT FROM pg_locks WHERE classid = $1', [lockKind.alive]), { timeout: 10_000 })
      .toEqual([]);
    const unfinished = await postgres.rows(`SELECT FROM tenants WHERE status <> 'ACTIVE'`, [], 'auth');
    return { slugs, unfinished: unfinished.length };
  }

  /** Each tenant is active and serves requests, or nothing of it is left and its name is free; gives the latter's slugs. */
  async function expectAllWhole(app: TestApp, prefix: string, slugs: readonly string[]): Promise<string[]> {
    const tenants = await app.services.catalog.fork().find(Tenant, {});
    expect(tenants.filter(({ status }) => status !== 'ACTIVE')).toEqual([]);
    expect(await findPlaces(postgres)).toEqual(placesOf(tenants));
    for (const { slug } of tenants.filter((tenant) => tenant.slug.startsWith(prefix))) {
      const answer = await app.ask('{ products { totalCount } }', await app.tokenFor(slug));
      expect(answer, slug).toEqual({ data: { products: { totalCount: 0 } } });
    }
    const gone = slugs.filter((slug) => !tenants.some((tenant) => tenant.slug === slug));
    for (const slug of gone) {
      const answer = await app.ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "again", isolation: SCHEMA }) { status } }`,
        app.admin,
      );
      expect(answer, slug).toEqual({ data: { createTenant: { status: 'ACTIVE' } } });
    }
    return gone;
  }
});
