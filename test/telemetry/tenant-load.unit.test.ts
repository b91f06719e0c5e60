import { expect, it } from 'vitest';
import { TenantLoads } from '../../src/telemetry/tenant-load.ts';

it('keeps the busiest tenants in limited memory, by requests and by time, however many others there are', () => {
  const loads = new TenantLoads();
  for (let index = 0; index < 50_000; index += 1) {
    loads.add(`other ${index}`, 1);
    if (index % 10 === 0) loads.add('frequent', 1);
    if (index % 1_000 === 0) loads.add('slow', 10_000);
  }
  const { loads: taken, periodMs } = loads.take();
  expect(taken.size).toBeLessThanOrEqual(400);
  expect(periodMs).toBeGreaterThan(0);
  expect(taken.get('frequent')).toEqual({ requests: 5_000, durationMs: 5_000 });
  expect(taken.get('slow')?.durationMs).toBe(500_000);
  expect(loads.take().loads.size).toBe(0);
});
