// Run by test/tenants/delete-crash.test.ts in a process of its own, which is then killed: over the settings in its
// environment it creates and deletes one tenant of each kind, and counts the statements of the deletion, and then for each of
// them creates a tenant whose deletion stops before that statement is sent, and one whose deletion stops when it has just been
// sent. Those that own a database have a checkpoint. Prints a line of JSON when all have stopped.
import pLimit from 'p-limit';
import { pino } from 'pino';
import { createCheckpoint } from '../../src/checkpoints/checkpoints.ts';
import { loadConfig } from '../../src/config/config.ts';
import { openInstallation } from '../../src/installation/open.ts';
import { createTenant } from '../../src/tenants/create.ts';
import { deleteTenant } from '../../src/tenants/delete.ts';
import { product } from '../fixture/product.ts';
import { type Stalling, sendAndDie, stall, watchStatements } from './stalling.ts';

type Kind = 'DATABASE' | 'SCHEMA';

watchStatements();
const app = await openInstallation(loadConfig(process.env), product, pino({ level: 'silent' }));
await app.prepared;

async function create(slug: string, isolation: Kind): Promise<string> {
  const tenant = await createTenant(app.services.provisioning, { slug, name: slug, isolation });
  if (isolation === 'DATABASE') await createCheckpoint(app.services.checkpoints, tenant);
  return slug;
}

const remove = (slug: string, stopAt: number): Promise<Stalling> =>
  stall(slug, stopAt, () =>
    deleteTenant(app.services.provisioning, slug, { confirmation: slug, purge: true, by: 'a test' }),
  );

const limit = pLimit(4);
const counts: Partial<Record<Kind, number>> = {};
const stalled: Promise<Stalling>[] = [];
const sent: Promise<Stalling>[] = [];
for (const isolation of ['DATABASE', 'SCHEMA'] as const) {
  const kind = isolation.toLowerCase();
  const { statements } = await remove(await create(`${kind}-whole`, isolation), 0);
  counts[isolation] = statements;
  const steps = Array.from({ length: statements }, (_, index) => index + 1);
  // All before the first deletion: creating a tenant does not wait for those that have stopped.
  const before = await limit.map(steps, (step) => create(`${kind}-before-${step}`, isolation));
  const during = await limit.map(steps, (step) => create(`${kind}-during-${step}`, isolation));
  for (const [index, step] of steps.entries()) {
    stalled.push(remove(before[index] ?? '', step));
    sent.push(remove(during[index] ?? '', step));
  }
}
await Promise.all(stalled);
await sendAndDie(await Promise.all(sent), counts);
