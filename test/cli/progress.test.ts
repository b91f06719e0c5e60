import { stripVTControlCharacters } from 'node:util';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';
import { startCommand } from '../support/server-process.ts';
import { hasTerminals, startInTerminal } from '../support/terminal-process.ts';

const slugs = ['one', 'two', 'three', 'four'];
const GATE = 4711;

describe.skipIf(!hasTerminals)('in a terminal', () => {
  let fleet: Fleet;
  let gatekeeper: pg.Client;
  let count = 0;

  beforeAll(async () => {
    fleet = await Fleet.start({ WORKER: 'off' });
    for (const slug of slugs) await commandsOf(fleet.app)('tenant', 'create', slug, '--isolation', 'schema');
    gatekeeper = await fleet.session('shared');
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  /** A migration that waits until the gate is opened. */
  async function addGated(): Promise<void> {
    count += 1;
    await gatekeeper.query('SELECT pg_advisory_lock($1)', [GATE]);
    const pass = `SELECT pg_advisory_xact_lock_shared(${GATE})`;
    await fleet.migrations.add(`2028010100000${count}_gated`, `CREATE TABLE gated_${count} ()`, pass);
  }

  const open = () => gatekeeper.query('SELECT pg_advisory_unlock($1)', [GATE]);

  const waiting = () =>
    eventually('a tenant waits at the gate', async () => {
      const { rowCount } = await gatekeeper.query(
        `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted`,
        [GATE],
      );
      return rowCount === 1;
    });

  const settings = () => ({
    NODE_ENV: 'test',
    DATA_DIR: fleet.app.services.config.dataDir,
    TENANT_MIGRATIONS_DIR: fleet.migrations.path,
    MIGRATION_LOCK_TIMEOUT_MS: '60000',
  });

  const up = (env: Record<string, string> = {}, columns = 70, ...options: string[]) =>
    startInTerminal(['migrate', 'up', '--concurrency', '1', ...options], { ...settings(), ...env }, columns);

  const runOf = async () => {
    const [row] = await fleet.inCatalog<{ id: string; status: string; cancelled: number; succeeded: number }>(
      'SELECT id, status, cancelled, succeeded FROM migration_runs ORDER BY created_at DESC LIMIT 1',
    );
    return row;
  };

  it('progress is live and fits the width, and failures stay above it', async () => {
    await fleet.inTenant('two', 'CREATE TABLE gated_1 ()');
    await addGated();
    const command = up();
    await waiting();
    await command.shows('0/4 done, 0 failed');
    await open();
    expect(await command.ended).toBe(1);
    const lines = stripVTControlCharacters(command.raw()).split(/\r?\n/);
    expect(lines.filter((line) => line.startsWith('✗ two: '))).toHaveLength(1);
    expect(lines.some((line) => /^█+ 4\/4 done, 1 failed/.test(line))).toBe(true);
    expect(lines.filter((line) => line.includes('done,') && line.length > 70)).toEqual([]);
    // Red for the failure, and lines that are drawn over.
    expect(command.raw()).toContain('\u001B[31m✗ two');
    expect(command.raw()).toContain('\u001B[1A');
    await fleet.inTenant('two', 'DROP TABLE gated_1');
  });

  it('progress names the wave, and tells how fast it goes and how long the rest takes', async () => {
    await fleet.migrations.add('20280102000000_paced', 'ALTER TABLE products ADD COLUMN paced int');
    const blocker = await fleet.sessionIn('three');
    await blocker.query('BEGIN; LOCK TABLE products');
    const command = up({}, 100, '--waves', '50%,100%');
    await command.shows('2/4 done, 0 failed');
    await fleet.end(blocker);
    expect(await command.ended).toBe(0);
    const shown = stripVTControlCharacters(command.raw());
    expect(shown).toMatch(/^wave 2 of 2: 2 tenants\r?$/m);
    expect(shown).toMatch(/^█+░+ 2\/4 done, 0 failed, [\d.]+ a second, [\d.]+ (s|min) left\r?$/m);
    // Nothing is left then.
    expect(shown).toMatch(/^█+ 4\/4 done, 0 failed, [\d.]+ a second\r?$/m);
  });

  it('Ctrl-C cancels the run, waits for tenants in progress, prints the summary and exits with 130; NO_COLOR is respected', async () => {
    await addGated();
    const command = up({ NO_COLOR: '1' });
    await waiting();
    command.type('\x03');
    await command.shows('Cancelling: tenants in progress finish');
    await eventually('the run is cancelled', async () => ((await runOf())?.cancelled ?? 0) > 0);
    await open();
    expect(await command.ended).toBe(130);
    const summary = /Succeeded +(\d)\r\n[\s\S]*Not started +(\d)\r\n/.exec(stripVTControlCharacters(command.raw()));
    const [succeeded, notStarted] = [Number(summary?.[1]), Number(summary?.[2])];
    // One more may have begun in the moment before the news came, never those that nobody had claimed.
    expect([1, 2]).toContain(succeeded);
    expect(notStarted).toBe(4 - succeeded);
    // The last bar counts those that are done, and no others.
    const bars = [...stripVTControlCharacters(command.raw()).matchAll(/^[█░]+ (\d)\/4 done, 0 failed/gm)];
    expect(Number(bars.at(-1)?.[1])).toBe(succeeded);
    expect(command.raw()).not.toContain('\u001B[31m');
    expect(await runOf()).toMatchObject({ status: 'CANCELLED', succeeded });
  });

  it('SIGTERM cancels as well, and prints the summary', async () => {
    await addGated();
    const command = startCommand(['migrate', 'up', '--concurrency', '1'], settings());
    await waiting();
    command.signal('SIGTERM');
    await eventually('the run is cancelled', async () => ((await runOf())?.cancelled ?? 0) > 0);
    await open();
    expect(await command.ended).toEqual({ code: 130, signal: null });
    expect(command.output()).toMatch(/\nMigrations: CANCELLED\n[\s\S]*migrate resume /);
  });

  it('a second Ctrl-C leaves at once, and says how to follow', async () => {
    await addGated();
    const command = up();
    await waiting();
    command.type('\x03');
    await command.shows('Cancelling');
    command.type('\x03');
    expect(await command.ended).toBe(130);
    const id = (await runOf())?.id;
    expect(stripVTControlCharacters(command.raw())).toContain(`tenantry migrate watch ${id}`);
    await open();
  });

  it('reports that no process is working on a run, and resume continues it', async () => {
    const tenantry = commandsOf(fleet.app);
    const left = (await tenantry('migrate', 'up', '--detach', '--tenant', 'one')).stdout.trim();
    const watcher = startInTerminal(['migrate', 'watch', left], settings(), 200);
    await watcher.shows('No process is working on this run.');
    const resumed = await tenantry('migrate', 'resume', left);
    expect(resumed).toMatchObject({ exit: 0, stderr: expect.stringContaining('so it continues as it was started') });
    expect(await watcher.ended).toBe(0);
  });
});
