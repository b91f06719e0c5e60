// Run by test/provisioning/crash.test.ts in a process of its own, which is then killed: over the settings in its environment it
// creates one tenant after which it counted the statements, and then for each of them a tenant whose creation stops before
// that statement is sent, and one whose creation stops when it has just been sent. Prints a line of JSON when all have stopped.
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import { pino } from 'pino';
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config.ts';
import { createTenant } from '../../src/provisioning/create-tenant.ts';

interface Creation {
  statements: number;
  /** The statement before which it stops, counted from 1. */
  readonly stopAt: number;
  readonly stopped: PromiseWithResolvers<() => void>;
}

const creation = new AsyncLocalStorage<Creation>();
const query: (...args: unknown[]) => unknown = pg.Client.prototype.query;
pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
  const current = creation.getStore();
  if (current) {
    current.statements += 1;
    if (current.statements === current.stopAt) {
      current.stopped.resolve(() => query.apply(this, args));
      return new Promise(() => undefined);
    }
  }
  return query.apply(this, args);
  // pg declares one overload for each way of calling it.
} as typeof pg.Client.prototype.query;

const app = await createApp(loadConfig(process.env), pino({ level: 'silent' }));
// The statements that build the template are not those of a tenant.
await app.prepared;
const isolations = (['DATABASE', 'SCHEMA'] as const).filter((isolation) => process.env.ISOLATIONS?.includes(isolation));

async function create(slug: string, isolation: 'DATABASE' | 'SCHEMA', stopAt: number): Promise<Creation> {
  const current: Creation = { statements: 0, stopAt, stopped: Promise.withResolvers() };
  const input = { slug: `${process.env.SLUG_PREFIX}-${slug}`, name: slug, isolation };
  const created = creation.run(current, () => createTenant(app.services.provisioning, input));
  const ended = created.then(
    () => true,
    () => true,
  );
  const hasEnded = await Promise.race([ended, current.stopped.promise.then(() => false)]);
  if (hasEnded !== (stopAt === 0)) throw new Error(`${slug} ended after ${current.statements} statements`);
  return current;
}

const counts: Record<string, number> = {};
const stalled: Promise<Creation>[] = [];
const sent: Promise<Creation>[] = [];
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
const sendAll = await Promise.all((await Promise.all(sent)).map(({ stopped }) => stopped.promise));
process.stdout.write(`${JSON.stringify(counts)}\n`, () => {
  for (const send of sendAll) send();
  // Nothing between sending and dying: PostgreSQL is left with statements whose sender is gone.
  process.kill(process.pid, 'SIGKILL');
});
