import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { recoverTenants } from '../../src/tenants/recover.ts';
import { eventually } from '../support/eventually.ts';
import { FaultLab } from '../support/fault-lab.ts';
import { findPlaces, placesOf } from '../support/places.ts';
import { seededRandom, seeds } from '../support/seeded-random.ts';

const size = { schemas: 3, databases: 2 };
const settings = { JWT_SECRET: 'the secret of the fault tests of the bin', MIGRATION_LOCK_TIMEOUT_MS: '60000' };

describe('the bin of tenants', () => {
  let lab: FaultLab;
  beforeAll(async () => {
    lab = await FaultLab.start(size, settings);
    await lab.startWorker();
    await lab.fleet.events(await lab.fleet.startRun());
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const statuses = async () =>
    new Map(
      (await lab.fleet.inCatalog<{ slug: string; status: string }>('SELECT slug, status FROM tenants')).map(
        ({ slug, status }) => [slug, status],
      ),
    );

  it.each(seeds(2))('survives a process that is killed while it brings tenants back: seed %i', async (seed) => {
    const random = seededRandom(seed);
    for (const slug of lab.slugs) {
      await lab.fleet.ask(`mutation { deleteTenant(id: "${slug}", slug: "${slug}") { id } }`);
    }
    const round = await lab.addRound();
    const victim = await lab.startServer();
    const asked = lab.slugs.map((slug) =>
      victim.ask(`mutation { undeleteTenant(id: "${slug}") { id } }`, lab.fleet.app.admin).catch(() => undefined),
    );
    // The moment is the fault: it is not waited for anything.
    await sleep(random.int(0, 400));
    await victim.end('SIGKILL');
    await Promise.all(asked);
    await lab.keepWorkers(1);
    await eventually('every run ends', async () => {
      const open = await lab.fleet.inCatalog('SELECT FROM migration_runs WHERE ended_at IS NULL');
      return open.length === 0;
    });
    // Each is back, or still in the bin, from where it can be brought back.
    for (const [slug, status] of await statuses()) {
      if (status !== 'DELETED') continue;
      await lab.fleet.ask(`mutation { undeleteTenant(id: "${slug}") { id } }`);
    }
    expect([...(await statuses()).values()]).toEqual(lab.slugs.map(() => 'ACTIVE'));
    for (const slug of lab.slugs) {
      expect(await lab.fleet.inTenant(slug, `SELECT name FROM migration_log WHERE name = '${round}'`)).toHaveLength(1);
      const token = await lab.fleet.app.tokenFor(slug);
      await eventually(`${slug} is served`, async () => {
        const { data } = await lab.fleet.http.ask('{ products { totalCount } }', token);
        return data !== undefined && data !== null;
      });
    }
  });

  it.each(seeds(2))('survives a process that is killed while it removes tenants: seed %i', async (seed) => {
    const random = seededRandom(seed);
    const slugs = [0, 1, 2, 3].map((index) => `purged-${seed}-${index}`);
    for (const [index, slug] of slugs.entries()) {
      await lab.fleet.createTenants({ [slug]: index % 2 === 0 ? 'SCHEMA' : 'DATABASE' });
      if (index === 1) await lab.fleet.ask(`mutation { createCheckpoint(tenant: "${slug}") { id } }`);
      await lab.fleet.ask(`mutation { deleteTenant(id: "${slug}", slug: "${slug}") { id } }`);
    }
    const removed = await lab.fleet.inCatalog<{ id: string }>('SELECT id FROM tenants WHERE slug = ANY ($1)', [slugs]);
    const victim = await lab.startServer();
    await lab.fleet.inCatalog('UPDATE tenants SET purge_at = now() WHERE slug = ANY ($1)', [slugs]);
    const asked = slugs.map((slug) =>
      victim
        .ask(`mutation { deleteTenant(id: "${slug}", slug: "${slug}", purge: true) { id } }`, lab.fleet.app.admin)
        .catch(() => undefined),
    );
    await sleep(random.int(0, 300));
    await victim.end('SIGKILL');
    await Promise.all(asked);
    await lab.startServer();
    await eventually('all are gone', async () => {
      await recoverTenants(lab.fleet.app.services.provisioning);
      const left = await lab.fleet.inCatalog('SELECT FROM tenants WHERE slug = ANY ($1)', [slugs]);
      return left.length === 0;
    });
    const tenants = await lab.fleet.app.services.catalog.fork().find(Tenant, {});
    expect(await findPlaces(lab.postgres)).toEqual(placesOf(tenants));
    expect(await lab.postgres.rows(`SELECT FROM pg_database WHERE datname LIKE 'snap\\_%'`)).toEqual([]);
    const proofs = await lab.fleet.inCatalog<{ id: string; details: string }>(
      `SELECT tenant_id AS id, details FROM audit_log WHERE action = 'tenant.purge' AND tenant_id = ANY ($1)`,
      [removed.map(({ id }) => id)],
    );
    expect(proofs.map(({ id }) => id).sort()).toEqual(removed.map(({ id }) => id).sort());
    for (const { details } of proofs) expect(JSON.parse(details).dropped.tables).toBeGreaterThan(0);
  });
});
