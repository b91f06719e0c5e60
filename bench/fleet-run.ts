import { openFleet } from './fleet.ts';
import { type Benchmark, compare, interleave } from './harness.ts';
import { openBenchInstallation } from './installation.ts';

/** A new migration for a fleet of databases, compared with the minimum of work and with the usual approach. */
export const fleetRun: Benchmark = {
  name: 'fleet-run',
  about: 'a run over 100 databases, compared with plain pg and with MikroORM’s migrator for one tenant after another',
  async run(signal) {
    await using place = await openBenchInstallation();
    const contend = await openFleet(place, 'DATABASE', 100);
    const { plain, tenantry, mikroOrm } = await interleave(
      { plain: contend('plain'), tenantry: contend('tenantry'), mikroOrm: contend('mikro_orm') },
      { rounds: 9, warmUp: 2, signal },
    );
    return [
      compare('migrate a tenant, plain pg', 'ms', { atMost: 1.5 }, { baseline: plain, tenantry }),
      compare('migrate a tenant, MikroORM one by one', 'ms', { atMost: 0.25 }, { baseline: mikroOrm, tenantry }),
    ];
  },
};
