import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';

const first = '20261121000000_fixture';
const [stuck, alone, late] = ['20270101000001_stuck', '20270101000002_alone', '20270101000003_late'];

interface ShownResolution {
  readonly tenant: { readonly status: string; readonly version: string | null; readonly behind: number };
  readonly resolved: boolean;
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  readonly lastFailure: string | null;
  readonly problems: readonly string[];
}

describe('a tenant that needs attention', () => {
  const slug = 'one-schema';
  let fleet: Fleet;
  let tenantry: ReturnType<typeof commandsOf>;

  beforeAll(async () => {
    fleet = await Fleet.start();
    tenantry = commandsOf(fleet.app);
    await fleet.createTenants({ [slug]: 'SCHEMA', 'two-db': 'DATABASE' });
    await fleet.migrations.add(stuck, 'CREATE TABLE stuck (id int)');
    await fleet.migrations.addClass(alone, `isTransactional() { return false; } up() { this.addSql('SELECT 1 / 0'); }`);
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  /** A run that leaves the tenant to somebody's decision: its first step has no `down()`, and its second one fails. */
  const breakTenant = async () => {
    await fleet.inTenant(slug, `DROP TABLE IF EXISTS stuck; DELETE FROM migration_history WHERE name <> '${first}'`);
    const run = await fleet.run(`, verify: true, tenants: ["${slug}"]`);
    expect(run.items.nodes[0]?.error).toMatch(/needs attention and is not served: .*tenantry tenant resolve/);
    expect((await fleet.tenant(slug)).status).toBe('NEEDS_ATTENTION');
    return run;
  };
  const resolve = async (force = false, reference = slug) => {
    const mutation = `mutation { resolveTenant(tenant: "${reference}", force: ${force}) {
      tenant { status version behind } resolved applied pending lastFailure problems } }`;
    return (await fleet.ask<{ resolveTenant: ShownResolution }>(mutation)).resolveTenant;
  };
  const audited = async () => {
    const { auditLog } = await fleet.ask<{ auditLog: { nodes: { action: string }[] } }>(
      '{ auditLog(first: 1) { nodes { action outcome actor details tenant { slug } } } }',
    );
    return auditLog.nodes[0];
  };

  it('is left out of its run until somebody has resolved it, and is served again then', async () => {
    const run = await breakTenant();
    // It is not called rolled back, which it is not.
    expect((await fleet.events(run.id)).at(-1)?.message).toBe('0 succeeded, 1 failed (1 needs attention), 0 skipped');
    const { stdout } = await tenantry('migrate', 'watch', run.id);
    expect(stdout).toMatch(/Succeeded +0\n +Failed +1 \(1 needs attention\)\n +Skipped +0\n/);
    expect(await fleet.versionOf(slug)).toEqual({ version: null, behind: 3 });
    expect(await fleet.refusal(`mutation { resumeMigrationRun(id: "${run.id}") { id } }`)).toEqual({
      code: 'CONFLICT',
      message: expect.stringMatching(/^These tenants need attention .*: one-schema\./),
    });
    const without = await fleet.run();
    expect(without.items.nodes.map(({ tenant }) => tenant.slug)).not.toContain(slug);
    expect((await fleet.events(without.id)).filter(({ kind }) => kind === 'RUN_WARNING')).toMatchObject([
      {
        message: `left out because they need attention: ${slug}. Fix each one, then run \`tenantry tenant resolve SLUG\`.`,
      },
    ]);
    expect(await resolve()).toEqual({
      tenant: { status: 'ACTIVE', version: stuck, behind: 1 },
      resolved: true,
      applied: [first, stuck],
      pending: [alone],
      lastFailure: expect.stringContaining(`${alone} failed: division by zero`),
      problems: [],
    });
    expect(await audited()).toMatchObject({ action: 'resolveTenant', outcome: 'OK', tenant: { slug } });
    const token = await fleet.app.tokenFor(slug);
    await eventually('it is served again', async () => {
      const { errors } = await fleet.app.ask('{ products { totalCount } }', token);
      return errors === undefined;
    });
  });

  it('is suspended again if it was, and is resolved by force where something speaks against it', async () => {
    await fleet.inCatalog(`UPDATE tenants SET status = 'SUSPENDED' WHERE slug = $1`, [slug]);
    await breakTenant();
    const session = await fleet.sessionIn(slug);
    await session.query(`INSERT INTO stuck VALUES (1), (1)`);
    await expect(session.query('CREATE UNIQUE INDEX CONCURRENTLY twins ON stuck (id)')).rejects.toThrow('twins');
    await fleet.end(session);
    await fleet.migrations.add(stuck, 'CREATE TABLE stuck (id bigint)');
    const { schema } = await fleet.tenant(slug);
    const found = {
      pending: [],
      problems: [
        expect.stringMatching(new RegExp(`^MIGRATION_CHANGED: ${stuck} `)),
        `The index ${schema}.twins is INVALID: drop it, or run REINDEX INDEX CONCURRENTLY`,
      ],
    };
    expect(await resolve()).toMatchObject({ ...found, tenant: { status: 'NEEDS_ATTENTION' }, resolved: false });
    expect(await resolve(true)).toMatchObject({ ...found, tenant: { status: 'SUSPENDED' }, resolved: true });
    await fleet.migrations.add(stuck, 'CREATE TABLE stuck (id int)');
    await fleet.inCatalog(`UPDATE tenants SET status = 'ACTIVE' WHERE slug = $1`, [slug]);
  });

  it('is not served with all migrations and other tables, but by force; tenantry tenant resolve says so', async () => {
    await breakTenant();
    await fleet.inTenant(slug, 'ALTER TABLE products DROP COLUMN stock');
    await fleet.migrations.remove(alone);
    const refused = await tenantry('tenant', 'resolve', slug);
    expect(refused).toEqual({
      exit: 1,
      stderr: '',
      stdout: expect.stringContaining('one-schema still needs attention'),
    });
    expect(refused.stdout).toMatch(
      /^applied: +\S+_fixture, \S+_stuck\npending: +—\nlast failure: \S+ failed: division by zero/,
    );
    expect(refused.stdout).toMatch(/\nproblem: .*its tables differ from the entities. Missing: alter table .*"stock"/);
    expect(await audited()).toMatchObject({
      action: 'resolveTenant',
      outcome: 'OK',
      tenant: { slug },
      actor: expect.stringMatching(/^command line \(.+@.+\)$/),
    });
    const { exit, stdout } = await tenantry('tenant', 'resolve', slug, '--force', '--json');
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      tenant: slug,
      status: 'ACTIVE',
      resolved: true,
      applied: [first, stuck],
    });
    expect((await fleet.tenant(slug)).status).toBe('ACTIVE');
  });

  it('may also be one that needs none: its status stays, and the catalog learns what it has', async () => {
    await fleet.run('tenants: ["two-db"]');
    await fleet.inCatalog(`UPDATE tenants SET migration_state = NULL WHERE slug = 'two-db'`);
    expect(await resolve(false, 'two-db')).toMatchObject({
      tenant: { status: 'ACTIVE', version: stuck },
      resolved: false,
    });
    expect(await tenantry('tenant', 'resolve', 'two-db')).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining('two-db is ACTIVE, as before.\n'),
    });
    await fleet.inCatalog(`UPDATE tenants SET status = 'MAINTENANCE' WHERE slug = 'two-db'`);
    expect(await fleet.refusal('mutation { resolveTenant(tenant: "two-db") { resolved } }')).toMatchObject({
      code: 'TENANT_BUSY',
    });
    await fleet.inCatalog(`UPDATE tenants SET status = 'ACTIVE' WHERE slug = 'two-db'`);
    expect(await tenantry('tenant', 'resolve', 'nobody')).toEqual({
      exit: 1,
      stdout: '',
      stderr: 'There is no tenant nobody\n',
    });
    expect(await audited()).toMatchObject({ outcome: 'TENANT_NOT_FOUND', details: expect.stringContaining('nobody') });
  });

  it('is not touched by a run that began before it needed attention', async () => {
    const blocker = await fleet.sessionIn('two-db');
    await blocker.query('BEGIN; LOCK TABLE products IN ACCESS EXCLUSIVE MODE');
    await fleet.migrations.add(late, 'ALTER TABLE products ADD COLUMN late int');
    const run = await fleet.startRun(`canaries: ["two-db"], waves: ["1"]`);
    for await (const { kind } of fleet.follow(run)) if (kind === 'TENANT_STARTED') break;
    await fleet.inCatalog(`UPDATE tenants SET status = 'NEEDS_ATTENTION' WHERE slug = $1`, [slug]);
    await fleet.end(blocker);
    await fleet.events(run);
    expect((await fleet.runNow(run)).items.nodes).toMatchObject([
      { tenant: { slug: 'two-db' }, status: 'SUCCEEDED' },
      {
        tenant: { slug },
        status: 'FAILED',
        attempts: 1,
        error: expect.stringMatching(/^CONFLICT: .* needs attention/),
      },
    ]);
    expect(await fleet.applied(slug)).not.toContain(late);
    expect(await resolve()).toMatchObject({ resolved: true });
    expect(await fleet.resume(run)).toMatchObject({ status: 'SUCCEEDED' });
  });
});
