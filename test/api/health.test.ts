import { describe, expect, it, vi } from 'vitest';
import { useServer } from '../support/use-server.ts';

describe('health', () => {
  const used = useServer();

  /** How long the databases took to answer, which is never the same for two checks. */
  const aliases = Array.from({ length: 30 }, (_, index) => `a${index}: health { databases { latencyMs } }`);
  const query = `{ ${aliases.join(' ')} }`;
  const times = async () =>
    Object.values((await used.server.post({ query }, used.app.admin)).body.data ?? {}).map((one) =>
      JSON.stringify(one),
    );

  it('is checked once for all who ask at the same time, however often they do', async () => {
    const start = performance.now();
    const answers = await Promise.all([...Array.from({ length: 20 }, times), used.server.get('/health/ready')]);
    const found = answers.flatMap((answer) => (Array.isArray(answer) ? answer : []));
    expect(found).toHaveLength(600);
    // A result is kept for a second, and on a busy machine the requests take longer.
    const checks = 1 + Math.floor((performance.now() - start) / 1_000);
    expect(new Set(found).size).toBeLessThanOrEqual(checks);
    const { stats } = used.app.services.servers.get('default') ?? expect.unreachable('the first server is not known');
    expect(stats.waiting).toBe(0);
  });

  it('names no databases to others than platform admins', async () => {
    await used.app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', used.app.admin);
    const health = '{ health { status databases { name server error } } }';
    for (const headers of [{}, await used.app.tokenFor('acme')]) {
      expect(await used.app.ask(health, headers)).toEqual({ data: { health: { status: 'OK', databases: [] } } });
    }
    expect((await used.server.get('/health/ready')).text).toBe('{"status":"OK"}');
  });

  it('is checked again soon', async () => {
    const [before] = await times();
    await vi.waitFor(async () => expect(await times()).not.toContain(before), { timeout: 10_000, interval: 100 });
  });
});
