import { expect, it } from 'vitest';
import { useBudget } from '../../support/use-budget.ts';

const used = useBudget();

it('a lower limit closes idle connections, and those in use when they are released', async () => {
  used.start({ max: 6 });
  const pool = used.pool({ max: 6 });
  const clients = await Promise.all(Array.from({ length: 6 }, () => pool.connect()));
  for (const client of clients.slice(0, 2)) client.release();
  expect(used.budget.stats).toMatchObject({ open: 6, idle: 2 });
  used.budget.limitTo(3);
  await used.settlesTo({ open: 4, idle: 0 });
  const late = pool.connect();
  clients[2]?.release();
  await used.settlesTo({ open: 3, idle: 0, waiting: 1 });
  clients[3]?.release();
  (await late).release();
  for (const client of clients.slice(4)) client.release();
  await used.settlesTo({ open: 3, idle: 3, waiting: 0 });
});

it('a higher limit serves those who wait, and is asked for by what there is use for', async () => {
  used.start({ max: 2 });
  const [one, other] = [used.pool({ max: 2 }), used.pool({ max: 3 })];
  const clients = await Promise.all([one.connect(), other.connect()]);
  expect(used.budget.demand).toBe(2);
  const waiting = [one.connect(), ...Array.from({ length: 9 }, () => other.connect())];
  // Each pool has a limit of its own.
  expect(used.budget.demand).toBe(5);
  used.budget.limitTo(5);
  const served = await Promise.all(waiting.slice(0, 3));
  expect(used.budget.stats).toMatchObject({ open: 5, waiting: 7 });
  for (const client of [...clients, ...served]) client.release();
  for (const next of waiting.slice(3)) (await next).release();
  expect(used.budget.demand).toBe(0);
});

it('a patient pool waits longer than the limit of the server', async () => {
  used.start({ max: 1, waitMs: 20 });
  const client = await used.pool().connect();
  const patient = used.pool({ isPatient: true }).connect();
  await expect(used.pool().connect()).rejects.toMatchObject({ code: 'SERVER_BUSY' });
  client.release();
  (await patient).release();
});
