import { afterAll, beforeAll, expect, it } from 'vitest';
import { dropOldPlaces } from '../../src/tenants/old-places.ts';
import { eventually } from '../support/eventually.ts';
import { commandsOf } from '../support/run-command.ts';
import { startTransferLab, type TransferLab } from './transfer-lab.ts';

let lab: TransferLab;
beforeAll(async () => {
  lab = await startTransferLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

it('places of a server that is down do not keep those of others from being dropped', async () => {
  const { catalog, provisioning } = lab.app.services;
  const add = (server: string, count: number, age: string) =>
    catalog.use((client) =>
      client.query(
        `INSERT INTO old_places (transfer_id, tenant_id, slug, key, isolation, server, database, schema, drop_after)
         SELECT gen_random_uuid(), gen_random_uuid(), 'gone', 'gone' || n, 'DATABASE', $1, 'db_gone' || n, 'public', now() - $3::interval
         FROM generate_series(1, $2::int) n`,
        [server, count, age],
      ),
    );
  await lab.second.stop();
  await add('b', 150, '2 days');
  await add('default', 1, '1 day');
  await dropOldPlaces(provisioning);
  const { rows } = await catalog.use((client) =>
    client.query('SELECT server, count(*)::int FROM old_places GROUP BY server ORDER BY server'),
  );
  expect(rows).toEqual([{ server: 'b', count: 150 }]);
  await lab.second.restart();
  await eventually('the places are dropped when the server is back', async () => {
    await dropOldPlaces(provisioning);
    const { rowCount } = await catalog.use((client) => client.query('SELECT FROM old_places'));
    return rowCount === 0;
  });
});

it('are listed, and can be dropped before their time', async () => {
  await lab.createTenant('moved', 'DATABASE');
  const { database } = await lab.rowOf('moved');
  expect(await lab.ended(await lab.move('moved', 'isolation: SCHEMA'))).toMatchObject({ status: 'SUCCEEDED' });
  const fields = 'oldPlaces { server database schema isolation dropAfter error }';
  const listed = await lab.ask(`{ tenant(slug: "moved") { ${fields} } tenants { nodes { oldPlaces { server } } } }`);
  const place = { server: 'default', database, schema: 'public', isolation: 'DATABASE', error: null };
  expect(listed.tenant).toEqual({ oldPlaces: [{ ...place, dropAfter: expect.any(String) }] });
  const [{ dropAfter }] = (listed.tenant as { oldPlaces: [{ dropAfter: string }] }).oldPlaces;
  expect(Date.parse(dropAfter) - Date.now()).toBeGreaterThan(23 * 3_600_000);
  const dropped = await lab.ask(`mutation { dropOldPlaces(tenant: "moved") { slug ${fields} } }`);
  expect(dropped.dropOldPlaces).toEqual({ slug: 'moved', oldPlaces: [] });
  const left = await lab.app.services.catalog.use((client) =>
    client.query('SELECT FROM pg_database WHERE datname = $1', [database]),
  );
  expect(left.rowCount).toBe(0);
  expect(await lab.skusOf('moved')).toEqual([]);
  const audit = await lab.ask('{ auditLog(first: 1) { nodes { action outcome tenant { slug } } } }');
  expect(audit.auditLog).toEqual({
    nodes: [{ action: 'dropOldPlaces', outcome: 'OK', tenant: { slug: 'moved' } }],
  });
});

it('keep their server from being removed, and doctor says why one could not be dropped', async () => {
  await lab.createTenant('leaving', 'SCHEMA', 'b');
  expect(await lab.ended(await lab.move('leaving', 'server: "default"'))).toMatchObject({ status: 'SUCCEEDED' });
  await expect(lab.app.services.servers.remove('b')).rejects.toThrow(
    'The server b still has a place where tenants were before they moved',
  );
  await lab.second.stop();
  expect(await lab.failure('mutation { dropOldPlaces(tenant: "leaving") { id } }')).toMatchObject({
    code: 'SERVER_BUSY',
    message: expect.stringMatching(
      /^Not all old places of the tenant leaving could be dropped: .*server b does not answer/,
    ),
  });
  const { catalog } = lab.app.services;
  await catalog.use((client) => client.query(`UPDATE old_places SET drop_after = now() - interval '1 hour'`));
  expect(await lab.findings()).toContainEqual(
    expect.stringMatching(/^The schema tenant_\w+ on the server b, .* should have been dropped: .* does not answer/),
  );
  await lab.second.restart();
  await eventually('it is dropped when the server is back', async () => {
    const { errors } = await lab.app.ask('mutation { dropOldPlaces(tenant: "leaving") { id } }', lab.app.admin);
    return errors === undefined;
  });
});

it('are shown and dropped by the command line', async () => {
  await lab.createTenant('shown', 'SCHEMA');
  const { schema } = await lab.rowOf('shown');
  expect(await lab.ended(await lab.move('shown', 'isolation: DATABASE'))).toMatchObject({ status: 'SUCCEEDED' });
  const tenant = (...argv: string[]) => commandsOf(lab.app)('tenant', ...argv);
  const shown = await tenant('show', 'shown');
  expect(shown.stdout).toContain(`oldPlace:      schema ${schema} on the server default, dropped after 20`);
  const json = await tenant('show', 'shown', '--json');
  expect(JSON.parse(json.stdout).oldPlaces).toEqual([expect.objectContaining({ schema, error: null })]);
  const dropped = await tenant('drop-old', 'shown');
  expect(dropped.stdout).toBe('One old place was dropped. The tenant shown is served from the server default.\n');
});
