import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { commandsOf } from '../support/run-command.ts';

let fleet: Fleet;
let tenantry: ReturnType<typeof commandsOf>;

beforeAll(async () => {
  fleet = await Fleet.start({ WORKER: 'off' });
  tenantry = commandsOf(fleet.app);
});
afterAll(() => fleet[Symbol.asyncDispose]());

/** The text as the project's formatter has it. */
function formatted(text: string): string {
  const biome = path.resolve('node_modules/@biomejs/biome/bin/biome');
  return execFileSync(process.execPath, [biome, 'format', '--stdin-file-path=migration.ts'], {
    input: text,
  }).toString();
}

it('writes nothing while the migrations make what the entities say, but for a blank file', async () => {
  expect(await tenantry('migrate', 'new', 'nothing')).toMatchObject({
    exit: 1,
    stdout: '',
    stderr: expect.stringContaining('--blank'),
  });
  const { exit, stdout } = await tenantry('migrate', 'new', 'fill in SKUs', '--blank');
  expect({ exit, stdout }).toEqual({ exit: 0, stdout: expect.stringMatching(/^\S+\/\d{14}_fill_in_skus\.ts\n$/) });
  const text = await readFile(stdout.trim(), 'utf8');
  expect(text).toContain('export default class FillInSKUs extends Migration');
  expect(formatted(text)).toBe(text);
  await fleet.migrations.remove(path.basename(stdout.trim(), '.ts'));
});

it('writes what entities say and migrations do not make: formatted, applied, and taken back', async () => {
  await fleet.migrations.remove('20261121000000_fixture');
  await fleet.migrations.add('20990101000000_future', 'CREATE EXTENSION IF NOT EXISTS pg_trgm');
  const { exit, stdout } = await tenantry('migrate', 'new', 'createShop');
  // After the newest one, whatever its date, for it must be applied last.
  expect({ exit, stdout }).toEqual({ exit: 0, stdout: expect.stringMatching(/\/20990101000001_create_shop\.ts\n$/) });
  const text = await readFile(stdout.trim(), 'utf8');
  expect(text).toMatch(/this\.addSql\([^;]*create table "products"/);
  expect(formatted(text)).toBe(text);
  expect((await tenantry('migrate', 'check')).stdout).not.toContain('ENTITIES_DIFFER');
  await tenantry('tenant', 'create', 'acme');
  const tables = `SELECT count(*)::int FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migration_history'`;
  expect(await fleet.inTenant('acme', tables)).toEqual([{ count: 3 }]);
  expect((await tenantry('migrate', 'down', '--all', '--steps', '1')).exit).toBe(0);
  expect(await fleet.inTenant('acme', tables)).toEqual([{ count: 0 }]);
  expect((await tenantry('migrate', 'up')).exit).toBe(0);
});

it('leaves out down() when it drops a table, for nobody can tell then what it was', async () => {
  await fleet.migrations.add('20990101000002_extra', 'CREATE TABLE extra (id int)');
  const { stdout } = await tenantry('migrate', 'new', 'drop extra');
  const text = await readFile(stdout.trim(), 'utf8');
  expect(text).toMatch(/addSql\('drop table if exists "extra"/);
  expect(text).not.toContain('down()');
  expect(formatted(text)).toBe(text);
});

it.each([
  [['migrate', 'new', '...'], 1, 'nothing to write'],
  [['migrate', 'new', '...', '--blank'], 1, 'begins with a letter'],
  [['migrate', 'new', 'x', '--scope', 'auth'], 1, 'say --blank'],
])('%j ends with %i and says why', async (argv, exit, message) => {
  expect(await tenantry(...argv)).toEqual({ exit, stdout: '', stderr: expect.stringContaining(message) });
});
