import { execFileSync } from 'node:child_process';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Fleet } from '../support/fleet.ts';
import { commandsOf, runCommand } from '../support/run-command.ts';

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
  const { exit, stdout, stderr } = await tenantry('migrate', 'new', 'fill in SKUs', '--blank');
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
  expect(stdout).toMatch(/^\S+\/\d{14}_fill_in_skus\.ts\n$/);
  expect(await tenantry('migrate', 'check')).toMatchObject({
    exit: 1,
    stdout: expect.stringMatching(/^EMPTY: \d{14}_fill_in_skus does nothing/m),
  });
  const text = await readFile(stdout.trim(), 'utf8');
  expect(text).toContain('export default class FillInSKUs extends Migration');
  // It explains itself in three lines.
  expect(text.match(/^\/\/ /gm)).toHaveLength(3);
  expect(formatted(text)).toBe(text);
  await fleet.migrations.remove(path.basename(stdout.trim(), '.ts'));
});

it.each([
  ['Grüne & Öffnungen', 'grune_offnungen', 'GruneOffnungen'],
  ['../../Über', 'uber', 'Uber'],
  ['migration', 'migration', 'NewMigration'],
])('makes a name of %j', async (title, name, className) => {
  const { stdout } = await tenantry('migrate', 'new', title, '--blank');
  expect(path.basename(stdout.trim())).toMatch(new RegExp(`^\\d{14}_${name}\\.ts$`));
  expect(await readFile(stdout.trim(), 'utf8')).toContain(`export default class ${className} extends Migration {`);
  await fleet.migrations.remove(path.basename(stdout.trim(), '.ts'));
});

it.each(['', '123', '料金', 'x'.repeat(101)])('refuses the name %j', async (title) => {
  expect(await tenantry('migrate', 'new', title, '--blank')).toEqual({
    exit: 1,
    stdout: '',
    stderr: expect.stringMatching(/^A migration name starts with a letter .*\n$/),
  });
});

it('regenerates its snapshot after migrations were written by hand; then writes the missing changes: formatted, applied and reverted', async () => {
  await fleet.migrations.remove('20261121000000_fixture');
  await fleet.migrations.add('20990101000000_future', 'SELECT 1');
  const { exit, stdout, stderr } = await tenantry('migrate', 'new', 'createShop');
  expect(stderr).toMatch(/^The snapshot .*\.snapshot\.json does not know 20990101000000_future, so it is regenerated/);
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

it('needs no database while the snapshot is of these migrations; says what is lost, and makes it again in down()', async () => {
  await fleet.migrations.addReversible('20990101000002_extra', 'CREATE TABLE extra (id int)', 'DROP TABLE extra');
  expect(await tenantry('migrate', 'snapshot')).toMatchObject({ exit: 0, stderr: '' });
  const { stdout, stderr } = await offline('migrate', 'new', 'drop extra');
  expect(stderr).toContain('\nTODO: The rows of extra are lost: down() makes it empty.\n');
  expect(stderr).toMatch(/^WARNING ban-drop-table \(20990101000003_drop_extra, line \d\)\n/);
  const text = await readFile(stdout.trim(), 'utf8');
  expect(text).toContain('// TODO: The rows of extra are lost');
  expect(text).toMatch(
    /up\(\)[\s\S]*addSql\('drop table if exists "extra"[\s\S]*down\(\)[\s\S]*create table "extra" \("id" int null\)/,
  );
  expect(formatted(text)).toBe(text);
  // The snapshot is of this one, too, which a merge may break, and a file that is edited makes old.
  expect(await offline('migrate', 'new', 'more')).toMatchObject({
    exit: 1,
    stderr: expect.stringContaining('nothing to'),
  });
  const snapshot = path.join(fleet.migrations.path, '.snapshot.json');
  const kept = await readFile(snapshot, 'utf8');
  for (const [broken, reason] of [
    [`<<<<<<< HEAD\n${kept}=======\n${kept}>>>>>>> theirs\n`, 'has merge conflicts'],
    [kept.slice(0, -10), 'cannot be read'],
    ['{}', 'does not describe tables'],
    [undefined, 'is missing'],
  ] as const) {
    if (broken === undefined) await rm(snapshot);
    else await writeFile(snapshot, broken);
    expect((await offline('migrate', 'new', 'more')).stderr).toContain(`${reason}`);
    expect(await tenantry('migrate', 'new', 'more')).toMatchObject({
      exit: 1,
      stderr: expect.stringMatching(new RegExp(`${reason}.*regenerated[\\s\\S]*nothing to write`)),
    });
    expect((await offline('migrate', 'new', 'more')).stderr).not.toContain('regenerated');
  }
  await appendFile(stdout.trim(), '// edited\n');
  expect((await offline('migrate', 'new', 'more')).stderr).toMatch(
    /is older than \d+_drop_extra, so it is regenerated/,
  );
});

it.each(['auth', 'constants'])('writes for %s, too', async (scope) => {
  expect(await offline('migrate', 'new', 'nothing', '--scope', scope)).toMatchObject({
    exit: 1,
    stderr: expect.stringMatching(/^The migrations match the entities/),
  });
});

it.each([
  [['migrate', 'new', '...'], 1, 'starts with a letter'],
  [['migrate', 'new', '...', '--blank'], 1, 'starts with a letter'],
  [['migrate', 'new', 'x', '--scope', 'shop'], 2, 'Allowed choices are tenant, common, auth, constants'],
])('%j ends with %i and says why', async (argv, exit, message) => {
  expect(await tenantry(...argv)).toEqual({ exit, stdout: '', stderr: expect.stringContaining(message) });
});

/** With settings that name a server where none is. */
function offline(...argv: string[]) {
  return runCommand(argv, {
    NODE_ENV: 'test',
    DATABASE_URL: 'postgres://nobody:x@127.0.0.1:9/postgres',
    DATA_DIR: path.join(fleet.migrations.path, 'nothing'),
    TENANT_MIGRATIONS_DIR: fleet.migrations.path,
  });
}
