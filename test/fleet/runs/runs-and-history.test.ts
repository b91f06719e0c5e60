import { describe, expect, it } from 'vitest';
import { kindsOf, statusesOf } from '../../support/fleet.ts';
import { useMixedFleet } from '../../support/use-mixed-fleet.ts';

describe('a run, and what tenants have already', () => {
  const used = useMixedFleet();
  const { slugs, tried, add } = used;

  it('does not connect to tenants that are current', async () => {
    expect(await used.fleet.run()).toMatchObject({ status: 'SUCCEEDED' });
    const admin = await used.fleet.session('postgres');
    const allow = async (allowed: boolean) => {
      for (const slug of slugs) {
        const { database } = await used.fleet.tenant(slug);
        await admin.query(`ALTER DATABASE ${database} WITH ALLOW_CONNECTIONS ${allowed}`);
        if (!allowed)
          await admin.query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1', [
            database,
          ]);
      }
    };
    await allow(false);
    const run = await used.fleet.run();
    const sessions = await Promise.allSettled(slugs.map((slug) => used.fleet.sessionIn(slug)));
    await allow(true);
    await used.fleet.end(admin);
    expect(run).toMatchObject({ status: 'SUCCEEDED', total: 4, skipped: 4, items: { totalCount: 4 } });
    expect((await used.fleet.events(run.id)).map(({ kind, message }) => [kind, message])).toEqual([
      ['RUN_STARTED', expect.any(String)],
      ['TENANTS_SKIPPED', '4 tenants with nothing to apply'],
      ['RUN_ENDED', '0 succeeded, 0 failed, 4 skipped'],
    ]);
    // So the databases really could not be reached.
    const message: unknown = expect.stringMatching(/not currently accepting connections/);
    expect(sessions).toEqual(slugs.map(() => ({ status: 'rejected', reason: expect.objectContaining({ message }) })));
  });

  it('looks into every tenant when it is to verify, and sets the catalog right', async () => {
    const name = await add('CREATE TABLE verified (id int)');
    await used.fleet.run();
    // As after a restore of an old backup, which the catalog knows nothing of.
    for (const slug of ['alpha-db', 'beta-schema']) {
      await used.fleet.inTenant(slug, 'DROP TABLE verified');
      await used.fleet.inTenant(slug, `DELETE FROM migration_history WHERE name = '${name}'`);
    }
    // And the other way round: the catalog does not know what the tenant has.
    await used.fleet.inCatalog(`UPDATE tenants SET migration_state = NULL WHERE slug = 'gamma-db'`);
    expect(await used.fleet.run('tenants: ["alpha-db", "beta-schema", "delta-schema"]')).toMatchObject({ skipped: 3 });
    const run = await used.fleet.run('verify: true');
    expect(statusesOf(run)).toEqual({
      'alpha-db': 'SUCCEEDED',
      'beta-schema': 'SUCCEEDED',
      'gamma-db': 'SKIPPED',
      'delta-schema': 'SKIPPED',
    });
    expect(kindsOf(await used.fleet.events(run.id), 'gamma-db')).toEqual(['TENANT_STARTED', 'TENANT_SKIPPED']);
    for (const slug of slugs) {
      expect(await used.fleet.applied(slug), slug).toContain(name);
      expect(await used.fleet.versionOf(slug)).toEqual({ version: name, behind: 0 });
    }
  });

  it('refuses a tenant that has what the code does not have, or has otherwise, and leaves it alone', async () => {
    const [gone, changed] = [await add('SELECT 1'), await add('SELECT 2')];
    const applied = await used.fleet.run();
    const { hash } = (
      await used.fleet.inTenant<{ hash: string }>(
        'alpha-db',
        `SELECT hash FROM migration_history WHERE name = '${changed}'`,
      )
    )[0] ?? { hash: '' };
    tried.push(await add('CREATE TABLE never (id int)'));
    await used.fleet.migrations.add(changed, 'SELECT 3');
    const refused = await used.fleet.run();
    expect(refused).toMatchObject({ status: 'FAILED', failed: 4 });
    for (const { error, applied: done } of refused.items.nodes) {
      expect(done).toEqual([]);
      expect(error).toMatch(
        new RegExp(`^MIGRATION_CHANGED: ${changed} .*its hash was ${hash.slice(0, 12)} and is now [0-9a-f]{12}\\.`),
      );
    }
    const undo = await used.fleet.app.ask(
      `mutation { undoMigrationRun(id: "${applied.id}") { id } }`,
      used.fleet.app.admin,
    );
    expect(undo.errors?.[0]).toMatchObject({
      message: expect.stringMatching(/its hash was [0-9a-f]{12} and is now [0-9a-f]{12}\..*Tenants: alpha-db/),
      extensions: {
        code: 'MIGRATION_CHANGED',
        migration: changed,
        recordedHash: hash,
        fileHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    });
    await used.fleet.migrations.add(changed, 'SELECT 2');
    await used.fleet.migrations.remove(gone);
    const unknown = await used.fleet.run();
    expect(unknown).toMatchObject({ status: 'FAILED', failed: 4 });
    for (const { error } of unknown.items.nodes) expect(error).toMatch(new RegExp(`^MIGRATION_UNKNOWN: ${gone} `));
    expect((await used.fleet.events(unknown.id)).filter(({ kind }) => kind === 'TENANT_FAILED')).toHaveLength(4);
    for (const slug of slugs)
      expect(await used.fleet.inTenant(slug, `SELECT to_regclass('never') AS never`)).toEqual([{ never: null }]);
    await used.fleet.migrations.add(gone, 'SELECT 1');
    expect(await used.fleet.run('dryRun: true')).toMatchObject({ status: 'SUCCEEDED', succeeded: 4 });
  });

  it('does not start if a file cannot be read, and names it', async () => {
    await used.fleet.migrations.write('20270202000000_broken.ts', 'export default 1;');
    tried.push('20270202000000_broken');
    for (const query of [
      'mutation { runMigrations { id } }',
      '{ migrationPlan { totalCount } }',
      '{ migrations { name } }',
    ]) {
      expect(await used.fleet.refusal(query)).toEqual({
        code: 'CONFLICT',
        message: expect.stringMatching(/20270202000000_broken\.ts must export a class that extends Migration$/),
      });
    }
  });

  it('warns of a migration that is dated before one that is applied, and applies it', async () => {
    const late = '20261122000000_late';
    await used.fleet.migrations.add(late, 'CREATE TABLE late (id int)');
    const run = await used.fleet.run();
    expect(run).toMatchObject({ status: 'SUCCEEDED', succeeded: 4 });
    const warnings = (await used.fleet.events(run.id)).filter(({ kind }) => kind === 'TENANT_WARNING');
    expect(warnings.map(({ tenant }) => tenant?.slug).sort()).toEqual([...slugs].sort());
    expect(warnings[0]?.message).toMatch(
      /^20261122000000_late is dated before 2027\d+_change, which is already applied$/,
    );
  });
});
