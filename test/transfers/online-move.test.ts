import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import type { HttpClient } from '../support/http-client.ts';
import { expectAll, type OnlineLab, startOnlineLab, writeNumbered } from './online-lab.ts';

describe('an online move', () => {
  let lab: OnlineLab;
  let clients: HttpClient[];
  beforeAll(async () => {
    lab = await startOnlineLab();
    clients = await Promise.all([lab.startServer(), lab.startServer()]);
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  it.each([
    ['DATABASE', 'DATABASE', 'default', 'b'],
    ['DATABASE', 'SCHEMA', 'b', 'default'],
    ['SCHEMA', 'DATABASE', 'default', 'default'],
    ['SCHEMA', 'SCHEMA', 'b', 'default'],
  ] as const)('from a %s to a %s, from %s to %s, loses no write', async (from, to, source, target) => {
    const slug = `${from}-${to}`.toLowerCase();
    await lab.createTenant(slug, from, source);
    const stop = new AbortController();
    const headers = await lab.app.tokenFor(slug);
    const writing = writeNumbered(() => clients, headers, { writers: 4, prefix: 'w', signal: stop.signal });
    await eventually('there are products', async () => (await lab.skusOf(slug)).length > 100);
    const transfer = await lab.move(slug, `server: "${target}", isolation: ${to}, keepHours: 0`);
    const ended = await lab.ended(transfer);
    expect(ended).toMatchObject({ status: 'SUCCEEDED', error: null });
    const before = (await lab.skusOf(slug)).length;
    await eventually('writing goes on', async () => (await lab.skusOf(slug)).length > before + 50);
    stop.abort();
    const written = await writing;
    expectAll(await lab.skusOf(slug), written);
    // Others are errors of connections that ended for the switch.
    expect([...written.errors.keys()].filter((code) => !/^(TENANT_BUSY|SERVER_BUSY)$/.test(code))).toEqual([]);
    expect(await lab.leftovers()).toEqual([]);
    expect((await lab.ask('{ doctor { message } }')).doctor).toEqual([]);
  });
});
