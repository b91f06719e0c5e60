import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { eventually } from '../support/eventually.ts';
import { findPlaces, placesOf } from '../support/places.ts';
import { type SeededRandom, seededRandom, seeds } from '../support/seeded-random.ts';
import { type OwnProcess, startWorker } from '../support/server-process.ts';
import { startTransferLab, type TransferLab } from './transfer-lab.ts';

/** How many rows are copied: a copy takes some hundred milliseconds. */
const ROWS = 20_000;
/** The latest moment of a fault after the transfer is started, in milliseconds. */
const LATEST_MS = 1_500;

describe('a transfer whose processes and servers are killed at any moment', () => {
  let lab: TransferLab;
  let dataDir: string;
  const workers = new Set<OwnProcess>();

  beforeAll(async () => {
    lab = await startTransferLab({ WORKER: 'off' }, { ownFirst: true });
    dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-killed-'));
  });
  afterAll(async () => {
    await Promise.all([...workers].map((worker) => worker.end('SIGKILL')));
    await lab[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const keepWorkers = async (count: number) => {
    const alive = () => [...workers].filter((worker) => worker.isAlive());
    const env = { NODE_ENV: 'test', LOG_LEVEL: 'warn', DATA_DIR: dataDir, ...lab.first.env };
    const missing = Math.max(0, count - alive().length);
    for (const worker of await Promise.all(Array.from({ length: missing }, () => startWorker(env))))
      workers.add(worker);
    return alive();
  };
  const fill = async (slug: string) => {
    const { server, database, schema } = await lab.rowOf(slug);
    const on = server === 'b' ? lab.second : lab.first;
    await on.rows(
      `INSERT INTO "${schema}".products (sku, name, price, currency, stock)
       SELECT 'sku-' || n, 'n', 1, 'EUR', 0 FROM generate_series(1, ${ROWS}) n`,
      [],
      database,
    );
  };
  const countOf = async (slug: string) => {
    const data = await lab.ask('{ products { totalCount } }', await lab.app.tokenFor(slug));
    return (data.products as { totalCount: number }).totalCount;
  };

  /** Does one of what can happen to a transfer at any moment, and makes good what it has broken. */
  const strike = async (random: SeededRandom) => {
    await sleep(random.int(0, LATEST_MS));
    const kind = random.int(1, 5);
    if (kind <= 3) {
      const alive = await keepWorkers(0);
      await Promise.all(alive.slice(0, kind === 1 ? 2 : 1).map((worker) => worker.end('SIGKILL')));
      await keepWorkers(2);
      return;
    }
    const server = kind === 4 ? lab.second : lab.first;
    await server.crash();
    await sleep(random.int(0, 1_000));
    await server.restart();
  };

  it.each(seeds(3))('leaves each tenant at one place with its rows, and nothing over: seed %i', async (seed) => {
    const random = seededRandom(seed);
    const isolation = random.chance(0.5) ? 'DATABASE' : 'SCHEMA';
    const other = random.chance(0.5) ? 'DATABASE' : 'SCHEMA';
    const server = random.chance(0.7) || other === isolation ? 'b' : 'default';
    const [slug, copy] = [`moved-${seed}`, `clone-${seed}`];
    await keepWorkers(2);
    await lab.createTenant(slug, isolation);
    await fill(slug);
    const isMove = random.chance(0.6);
    const to = `server: "${server}", isolation: ${other}`;
    const transfer = isMove
      ? await lab.move(slug, `${to}, keepHours: 0`)
      : await lab.clone(`tenant: "${slug}", slug: "${copy}", ${to}`);
    await strike(random);
    const ended = await lab.ended(transfer);
    expect(ended.status, JSON.stringify(ended)).toMatch(/^(SUCCEEDED|FAILED)$/);
    expect(await lab.asSoonAsItAnswers(() => countOf(slug))).toBe(ROWS);
    // A transfer that fails leaves everything as it was, so that it can be repeated.
    if (ended.status === 'FAILED') {
      await lab.ask(`mutation { resumeTenantTransfer(id: "${transfer}") { id } }`);
      expect(await lab.ended(transfer)).toMatchObject({ status: 'SUCCEEDED' });
    }
    const moved = isMove ? slug : copy;
    expect(await countOf(moved)).toBe(ROWS);
    expect(await lab.placementOf(moved)).toMatchObject({ status: 'ACTIVE', isolation: other, placement: { server } });
    expect(await countOf(slug)).toBe(ROWS);
    await nothingIsLeftOver();
  });

  async function nothingIsLeftOver(): Promise<void> {
    const tenants = await lab.app.services.catalog.fork().find(Tenant, {});
    const expected = [lab.first, lab.second].map((_, index) =>
      placesOf(tenants.filter(({ server }) => server === (index === 0 ? 'default' : 'b'))),
    );
    let found: unknown;
    await eventually(
      () => `nothing is left over; expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`,
      async () => {
        found = await Promise.all([findPlaces(lab.first), findPlaces(lab.second)]);
        return JSON.stringify(found) === JSON.stringify(expected);
      },
    );
    expect(await lab.findings()).toEqual([]);
  }
});
