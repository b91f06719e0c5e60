import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { HttpClient } from '../support/http-client.ts';
import { seededRandom, seeds } from '../support/seeded-random.ts';
import { expectAll, type OnlineLab, startOnlineLab, writeNumbered } from './online-lab.ts';

describe('an online move whose processes are killed', () => {
  let lab: OnlineLab;
  let clients: HttpClient[];
  beforeAll(async () => {
    lab = await startOnlineLab();
    clients = await Promise.all([lab.startServer(), lab.startServer()]);
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  it.each(seeds(2))('loses no write and leaves nothing: seed %i', async (seed) => {
    const random = seededRandom(seed);
    const slug = `killed-${seed}`;
    const isolations = ['DATABASE', 'SCHEMA'] as const;
    const [from, to] = [isolations[random.int(0, 1)] ?? 'SCHEMA', isolations[random.int(0, 1)] ?? 'SCHEMA'];
    await lab.createTenant(slug, from, 'default');
    const stop = new AbortController();
    const headers = await lab.app.tokenFor(slug);
    const writing = writeNumbered(() => clients, headers, { writers: 3, prefix: 'w', signal: stop.signal });
    await eventually('there are products', async () => (await lab.skusOf(slug)).length > 50);
    const transfer = await lab.move(slug, `server: "b", isolation: ${to}, keepHours: 0`);
    for (let kills = random.int(1, 2); kills > 0; kills -= 1) {
      await sleep(random.int(100, 1_500));
      switch (random.int(0, 2)) {
        case 0:
          await lab.second.crash();
          await lab.second.restart();
          break;
        default: {
          const victim = lab.servers.shift();
          await victim?.end('SIGKILL');
          clients.shift();
          clients.push(await lab.startServer());
        }
      }
    }
    const ended = await lab.ended(transfer);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', error: null });
    stop.abort();
    // Requests that are under way end first.
    const written = await writing;
    expectAll(await lab.skusOf(slug), written);
    await eventually('nothing is left', async () => {
      const { doctor } = await lab.ask('{ doctor { message } }');
      return (doctor as unknown[]).length === 0 && (await lab.leftovers()).length === 0;
    });
  });

  it.each(seeds(2))('is where it was after it was cancelled: seed %i', async (seed) => {
    const random = seededRandom(seed);
    const slug = `cancelled-${seed}`;
    await lab.createTenant(slug, 'SCHEMA', 'default');
    const stop = new AbortController();
    const headers = await lab.app.tokenFor(slug);
    const writing = writeNumbered(() => clients, headers, { writers: 2, prefix: 'w', signal: stop.signal });
    const transfer = await lab.move(slug, `server: "b", keepHours: 0`);
    await sleep(random.int(0, 800));
    const answer = await lab.app.ask(`mutation { cancelTenantTransfer(id: "${transfer}") { id } }`, lab.app.admin);
    const { status } = await lab.ended(transfer);
    expect(status).toBe(answer.errors ? 'SUCCEEDED' : 'CANCELLED');
    const before = (await lab.skusOf(slug)).length;
    await eventually('writing goes on', async () => (await lab.skusOf(slug)).length > before + 10);
    stop.abort();
    // Requests that are under way end first.
    const written = await writing;
    expectAll(await lab.skusOf(slug), written);
    expect(await lab.leftovers()).toEqual([]);
  });
});
