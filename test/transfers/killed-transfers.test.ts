import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Tenant } from '../../src/catalog/entities/tenant.entity.ts';
import { eventually } from '../support/eventually.ts';
import { findPlaces, placesOf } from '../support/places.ts';
import { commandsOf } from '../support/run-command.ts';
import { type SeededRandom, seededRandom, seeds } from '../support/seeded-random.ts';
import { type OwnProcess, startCommand, startWorker } from '../support/server-process.ts';
import { startTransferLab, type TransferLab } from './transfer-lab.ts';

/** How many rows are copied: a copy takes some hundred milliseconds. */
const ROWS = 20_000;
/** The latest moment of a fault after the transfer is started, in milliseconds. */
const LATEST_MS = 1_500;

type Place = readonly [isolation: 'DATABASE' | 'SCHEMA', server: string];

describe('a transfer whose processes and servers are killed at any moment', () => {
  let lab: TransferLab;
  let dataDir: string;
  /** The settings of other processes. */
  let env: Record<string, string>;
  let archive: string;
  const workers = new Set<OwnProcess>();

  beforeAll(async () => {
    lab = await startTransferLab({ WORKER: 'off' }, { ownFirst: true });
    dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-killed-'));
    env = { NODE_ENV: 'test', LOG_LEVEL: 'warn', DATA_DIR: dataDir, ...lab.first.env };
    archive = path.join(dataDir, 'archive');
  });
  afterAll(async () => {
    await Promise.all([...workers].map((worker) => worker.end('SIGKILL')));
    await lab[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const keepWorkers = async (count: number) => {
    const alive = () => [...workers].filter((worker) => worker.isAlive());
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

  /**
   * Does one of what can happen to a transfer at any moment, and makes good what it has broken.
   * @param command the process that carries it out, if no worker does at first
   */
  const strike = async (random: SeededRandom, command?: OwnProcess) => {
    await sleep(random.int(0, LATEST_MS));
    const kind = random.int(1, 5);
    if (kind <= 3) {
      await command?.end('SIGKILL');
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

  /** Runs a command that carries out a transfer itself, and strikes once the catalog knows of the transfer. */
  const strikeCommand = async (random: SeededRandom, argv: readonly string[], slug: string) => {
    const command = startCommand(argv, env);
    let hasEnded = false;
    const ended = command.ended.finally(() => {
      hasEnded = true;
    });
    await eventually('the transfer begins', async () => hasEnded || (await transfersOf(slug)).length > 0);
    await strike(random, command);
    await ended;
  };
  const transfersOf = async (slug: string) => {
    const { tenantTransfers } = await lab.ask('{ tenantTransfers(first: 100) { nodes { id kind tenant { slug } } } }');
    const { nodes } = tenantTransfers as { nodes: { id: string; kind: string; tenant: { slug: string } }[] };
    return nodes.filter(({ kind, tenant }) => tenant.slug === slug && ['RESTORE', 'IMPORT'].includes(kind));
  };
  const endedWell = async (transfer: string) => {
    const ended = await lab.ended(transfer);
    expect(ended.status, JSON.stringify(ended)).toMatch(/^(SUCCEEDED|FAILED)$/);
    return ended.status === 'SUCCEEDED';
  };
  const resume = async (transfer: string) => {
    await lab.ask(`mutation { resumeTenantTransfer(id: "${transfer}") { id } }`);
    expect(await lab.ended(transfer)).toMatchObject({ status: 'SUCCEEDED' });
  };
  const isAt = async (slug: string, [isolation, server]: Place) => {
    expect(await countOf(slug)).toBe(ROWS);
    expect(await lab.placementOf(slug)).toMatchObject({ status: 'ACTIVE', isolation, placement: { server } });
  };
  const anyPlace = (random: SeededRandom): Place => [
    random.chance(0.5) ? 'DATABASE' : 'SCHEMA',
    random.chance(0.5) ? 'b' : 'default',
  ];

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
    const succeeded = await endedWell(transfer);
    expect(await lab.asSoonAsItAnswers(() => countOf(slug))).toBe(ROWS);
    // A transfer that fails leaves everything as it was, so that it can be repeated.
    if (!succeeded) await resume(transfer);
    await isAt(isMove ? slug : copy, [other, server]);
    expect(await countOf(slug)).toBe(ROWS);
    await nothingIsLeftOver();
  });

  it.each(seeds(1))('brings a tenant back to a checkpoint as a whole or not at all: seed %i', async (seed) => {
    const random = seededRandom(seed);
    const slug = `restored-${seed}`;
    const server = random.chance(0.5) ? 'b' : 'default';
    await keepWorkers(2);
    // One with a database is brought back by renaming, unless it has moved since.
    await lab.createTenant(slug, 'SCHEMA', server);
    await fill(slug);
    const made = await lab.ask(`mutation { createCheckpoint(tenant: "${slug}") { id } }`);
    const { id } = made.createCheckpoint as { id: string };
    await lab.addProducts(slug, 'written later');
    await strikeCommand(random, ['checkpoint', 'restore', id, '--accept-data-loss'], slug);
    const [transfer] = await lab.asSoonAsItAnswers(() => transfersOf(slug));
    if (transfer) {
      const succeeded = await endedWell(transfer.id);
      expect(await lab.asSoonAsItAnswers(() => countOf(slug))).toBe(succeeded ? ROWS : ROWS + 1);
      if (!succeeded) await resume(transfer.id);
    } else {
      await lab.ask(`mutation { restoreCheckpoint(id: "${id}", acceptDataLoss: true) { id } }`);
    }
    await isAt(slug, ['SCHEMA', server]);
    await nothingIsLeftOver();
  });

  it.each(seeds(1))('imports a tenant as a whole or not at all: seed %i', async (seed) => {
    const random = seededRandom(seed);
    const [isolation, server] = anyPlace(random);
    const [source, slug] = [`exported-${seed}`, `imported-${seed}`];
    await keepWorkers(2);
    await lab.createTenant(source, 'SCHEMA');
    await fill(source);
    const tenantry = commandsOf(lab.app, lab.first.env);
    const file = `${archive}-${seed}`;
    expect(await tenantry('tenant', 'export', source, '--out', file)).toMatchObject({ exit: 0 });
    const place = ['--isolation', isolation.toLowerCase(), '--server', server];
    const argv = ['tenant', 'import', file, '--slug', slug, ...place];
    await strikeCommand(random, argv, slug);
    const status = await eventually('the tenant is served or gone', async () => {
      const { data, errors } = await lab.app.ask(`{ tenant(slug: "${slug}") { status } }`, lab.app.admin);
      // While PostgreSQL is down, the tenant is null too.
      if (!data || errors) return undefined;
      const found = data.tenant as { status: string } | null;
      return !found || found.status === 'ACTIVE' ? { found } : undefined;
    });
    await lab.asSoonAsItAnswers(() => countOf(source));
    if (!status.found) {
      await nothingIsLeftOver();
      const again = await tenantry(...argv);
      expect(again, again.stderr).toMatchObject({ exit: 0 });
    }
    await isAt(slug, [isolation, server]);
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
    // A server that has just started again may be known as one that is down for a moment.
    const findings = await eventually('doctor reaches all servers', async () => {
      const messages = await lab.findings();
      return messages.some((message) => message.includes('does not answer')) ? undefined : messages;
    });
    expect(findings).toEqual([]);
  }
});
