import { expect, it, vi } from 'vitest';
import { FIRST_SERVER } from '../../../src/catalog/entities/database-server.entity.ts';
import { findLeftovers } from '../../../src/doctor/find-leftovers.ts';
import { IDLE_LOCK_SECONDS } from '../../../src/doctor/leftover.ts';
import { citusUrl, makeCitusInstallation } from '../../support/citus.ts';
import { describeCitus, useCitusFleet } from '../../support/citus-fleet.ts';
import { runCommand } from '../../support/run-command.ts';
import { startTestApp } from '../../support/start-app.ts';

describeCitus('a Citus cluster', () => {
  it('that is added is seen, with what it lacks', async () => {
    await using citus = await makeCitusInstallation(String(citusUrl), { isSpread: false });
    const { names } = citus;
    await using app = await startTestApp(names);
    const add = await runCommand(['server', 'add', 'eu', String(citus.env.DATABASE_URL)], {
      NODE_ENV: 'test',
      DATA_DIR: app.services.config.dataDir,
      ...names,
    });
    expect(add).toMatchObject({ exit: 0, stderr: '' });
    expect(add.stdout).toMatch(/^The server eu was added\.\nIt has a Citus cluster \(\d+\.\S+\) with the nodes: /);
    for (const node of citus.nodes) expect(add.stdout).toContain(node);
    expect(add.stdout).toContain(`ALTER DATABASE "${citus.shared}" SET citus.enable_schema_based_sharding = on`);
  });
});

describeCitus('a Citus cluster with tenants', () => {
  const fleet = useCitusFleet(['north', 'south']);

  it('leaves nothing for doctor to find, unless it lacks something', async () => {
    const { app, citus } = fleet();
    const find = () => {
      const { config, servers } = app.services;
      return findLeftovers({
        servers: new Map(servers.known().map(({ row, server }) => [row.name, server])),
        first: FIRST_SERVER,
        databases: config.databases,
        bounds: config.connections.tenantBounds,
        idleLockSeconds: IDLE_LOCK_SECONDS,
      });
    };
    expect(await find()).toEqual([]);
    await citus.rows(`ALTER DATABASE "${citus.shared}" RESET citus.enable_schema_based_sharding`);
    await citus.onEachWorker('GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO PUBLIC');
    const found = await find();
    expect(found.map(({ message }) => message)).toEqual([
      expect.stringContaining('stay on its coordinator'),
      expect.stringContaining(`On ${citus.nodes.length} workers`),
    ]);
    await citus.rows(`ALTER DATABASE "${citus.shared}" SET citus.enable_schema_based_sharding = on`);
    const fix = found[1]?.fix;
    if (typeof fix !== 'object') throw new Error('there is no fix');
    await citus.rows(fix.sql);
    expect(await find()).toEqual([]);
  });

  it('has the limits and settings of tenants on all nodes, also after they have changed', async () => {
    const { app, citus } = fleet();
    await fleet().ask('mutation { createTenant(input: { slug: "own", name: "x", isolation: DATABASE }) { status } }');
    const keys = await Promise.all(['north', 'south'].map(async (slug) => (await fleet().placeOf(slug)).key));
    const settingsOf = `SELECT rolname AS role, rolconnlimit AS connections, rolconfig AS settings FROM pg_roles
      WHERE rolname IN (${keys.map((key) => `'tenant_${key}'`).join(', ')}) ORDER BY rolname`;
    const expectEverywhere = async (connections: number, fileLimit: string) => {
      const here = await citus.rows<{ role: string; connections: number; settings: string[] }>(settingsOf);
      expect(here.map(({ role }) => role)).toEqual(keys.map((key) => `tenant_${key}`).toSorted());
      for (const role of here) {
        expect(role.connections).toBe(connections);
        expect(role.settings).toContain(`temp_file_limit=${fileLimit}`);
        expect(role.settings).toContain('TimeZone=UTC');
      }
      for (const there of await citus.onEachWorker(settingsOf)) expect(there).toEqual(here);
    };
    const { connectionLimit, tempFileMb } = app.services.config.connections.tenantBounds;
    await expectEverywhere(connectionLimit, `${tempFileMb}MB`);
    const env = { ...citus.env, TENANT_CONNECTION_LIMIT: '17', TENANT_TEMP_FILE_MB: '99' };
    {
      await using _ = await startTestApp(env);
      await vi.waitFor(() => expectEverywhere(17, '99MB'), 10_000);
    }
    expect(await fleet().command('doctor', '--fix', '--yes')).toContain('3 roles of tenants');
    await expectEverywhere(connectionLimit, `${tempFileMb}MB`);
  });
});
