// Run by test/tenants/create-crash.test.ts in a process of its own, which is then killed: over the settings in its environment it
// creates one tenant after which it counted the statements, and then for each of them a tenant whose creation stops before
// that statement is sent, and one whose creation stops when it has just been sent. Prints a line of JSON when all have stopped.
import { pino } from 'pino';
import { loadConfig } from '../../src/config/config.ts';
import { openInstallation } from '../../src/installation/open.ts';
import { createTenant } from '../../src/tenants/create.ts';
import { product } from '../fixture/product.ts';
import { type Stalling, sendAndDie, stall, watchStatements } from './stalling.ts';

watchStatements();
const app = await openInstallation(loadConfig(process.env), product, pino({ level: 'silent' }));
// The statements that build the template are not those of a tenant.
await app.prepared;
const isolations = (['DATABASE', 'SCHEMA'] as const).filter((isolation) => process.env.ISOLATIONS?.includes(isolation));

function create(name: string, isolation: 'DATABASE' | 'SCHEMA', stopAt: number): Promise<Stalling> {
  const input = { slug: `${process.env.SLUG_PREFIX}-${name}`, name, isolation };
  return stall(name, stopAt, () => createTenant(app.services.provisioning, input));
}

const counts: Record<string, number> = {};
const stalled: Promise<Stalling>[] = [];
const sent: Promise<Stalling>[] = [];
for (const isolation of isolations) {
  const kind = isolation.toLowerCase();
  const { statements } = await create(`${kind}-whole`, isolation, 0);
  counts[isolation] = statements;
  for (let stopAt = 1; stopAt <= statements; stopAt += 1) {
    stalled.push(create(`${kind}-before-${stopAt}`, isolation, stopAt));
    sent.push(create(`${kind}-during-${stopAt}`, isolation, stopAt));
  }
}
await Promise.all(stalled);
await sendAndDie(await Promise.all(sent), counts);
