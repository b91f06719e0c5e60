import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FailoverLab, type Pair, startPair } from '../support/failover-lab.ts';
import { Machines, whyNoMachines } from '../support/machines.ts';
import { type Relay, startRelay } from '../support/relay.ts';

const writers = ['default-1', 'default-8'];

/** The URL of a primary by another address. */
const urlAt = ({ primary }: Pair, at: string) => primary.urlWith().replace(primary.at, at);

describe('a PostgreSQL that is killed behind a proxy, which leads to its promoted replica then', {
  timeout: 300_000,
}, () => {
  const stack = new AsyncDisposableStack();
  let pair: Pair;
  let proxy: Relay;
  let lab: FailoverLab;
  beforeAll(async () => {
    pair = await startPair(stack);
    proxy = stack.use(await startRelay(pair.primary.place));
    lab = stack.use(await FailoverLab.start(urlAt(pair, `127.0.0.1:${proxy.port}`), pair.primary));
    lab.slugs.push(...(await lab.outside.createTenants('default', 8, 4)));
  }, 200_000);
  afterAll(() => stack[Symbol.asyncDispose]());

  it('is left by everything', async () => {
    await lab.failOver('20270102000000_round', writers, {
      name: 'default',
      replica: pair.replica,
      lose: () => pair.primary.kill(),
      redirect: async () => proxy.redirect(pair.replica.place),
    });
    expect(await lab.outside.createTenants('default', 1, 1, 'after')).toEqual(['after-1', 'after-2']);
    await lab.endWorkers();
  });
});

const whyNot = whyNoMachines();
const vanishing = `a PostgreSQL whose machine vanishes, and whose name leads to its promoted replica then${whyNot ? ` (${whyNot})` : ''}`;

describe.skipIf(whyNot !== undefined)(vanishing, { timeout: 300_000 }, () => {
  const stack = new AsyncDisposableStack();
  const name = 'database.internal';
  let machines: Machines<'server' | 'worker' | 'one' | 'two'>;
  let pair: Pair;
  let lab: FailoverLab;
  let hosts: string;
  const lead = (to: 'one' | 'two') => writeFile(hosts, `${machines.addressOf(to)} ${name}\n`);

  beforeAll(async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-names-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    hosts = path.join(folder, 'hosts');
    const links = [
      ['server', 'one'],
      ['server', 'two'],
      ['worker', 'one'],
      ['worker', 'two'],
      ['one', 'two'],
    ] as const;
    machines = stack.use(await Machines.start(['server', 'worker', 'one', 'two'], links));
    await lead('one');
    const placeOn = (machine: 'one' | 'two') => ({
      host: machines.addressOf(machine),
      port: 5432,
      before: machines.on(machine),
    });
    pair = await startPair(stack, { primary: placeOn('one'), replica: placeOn('two') });
    lab = stack.use(
      await FailoverLab.start(urlAt(pair, `${name}:5432`), pair.primary, {
        env: { TENANT_STATEMENT_TIMEOUT_MS: '5000' },
        before: { server: machines.onWithHosts('server', hosts), workers: machines.onWithHosts('worker', hosts) },
        reach: (port) => machines.relay('server', port),
      }),
    );
    lab.slugs.push(...(await lab.outside.createTenants('default', 8, 4)));
  }, 200_000);
  afterAll(() => stack[Symbol.asyncDispose]());

  it('is left by everything, also by statements that wait for its answer', async () => {
    await lab.failOver('20270102000000_round', writers, {
      name: 'default',
      replica: pair.replica,
      // Nobody is told, and its connections stay open.
      lose: () => Promise.all((['server', 'worker', 'two'] as const).map((other) => machines.cut('one', other))),
      redirect: () => lead('two'),
    });
    expect(await lab.outside.createTenants('default', 1, 1, 'after')).toEqual(['after-1', 'after-2']);
    await lab.endWorkers();
  });
});
