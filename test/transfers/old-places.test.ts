import { afterAll, beforeAll, expect, it } from 'vitest';
import { dropOldPlaces } from '../../src/tenants/old-places.ts';
import { eventually } from '../support/eventually.ts';
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
