import { afterEach, expect, it, vi } from 'vitest';
import { reportLoads } from '../../src/monitoring/report-loads.ts';
import { TenantLoads } from '../../src/telemetry/tenant-load.ts';
import { startTestApp } from '../support/start-app.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('a report removes old ones, but waits for none that its own process is just replacing', async () => {
  await using app = await startTestApp({ WORKER: 'off' });
  const { catalog, log } = app.services;
  await catalog.use((client) =>
    client.query(
      `INSERT INTO tenant_loads (instance, reported_at, period_ms, loads)
       SELECT n, now() - interval '1 hour', 1, '[]' FROM generate_series(1, 2) n`,
    ),
  );
  const loads = new TenantLoads();
  loads.add('6a1f4c1e-3f0b-4d8e-9a53-0a4a5a8e2f10', 5);
  await catalog.use(async (other) => {
    await other.query('BEGIN; SELECT FROM tenant_loads WHERE instance = 1 FOR UPDATE');
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const reporting = reportLoads({ catalog, instance: 3, loads, log });
    vi.advanceTimersByTime(10_000);
    // It waits for the report.
    await reporting[Symbol.asyncDispose]();
    await other.query('ROLLBACK');
  });
  const { rows } = await catalog.use((client) => client.query('SELECT instance FROM tenant_loads ORDER BY 1'));
  expect(rows).toEqual([{ instance: 1 }, { instance: 3 }]);
});
