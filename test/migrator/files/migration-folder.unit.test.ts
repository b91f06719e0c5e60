import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MigrationFileError, MigrationFolder } from '../../../src/migrator/files/migration-folder.ts';
import { type MigrationDir, makeMigrationDir, migrationText } from '../../support/migration-dir.ts';

describe('a folder of migrations', () => {
  let dir: MigrationDir;
  let folder: MigrationFolder;

  beforeEach(async () => {
    dir = await makeMigrationDir({ empty: true });
    folder = new MigrationFolder(dir.path, 'TENANT');
  });
  afterEach(async () => {
    await dir[Symbol.asyncDispose]();
  });

  /** The one migration of the folder. */
  const only = async () => {
    const [file, ...others] = await folder.read();
    expect(others).toEqual([]);
    if (!file) throw new Error('There is no migration');
    return file;
  };
  const problem = async () => {
    const error: unknown = await folder.read().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MigrationFileError);
    return error instanceof MigrationFileError ? error.message : '';
  };

  // Case 30. Names are not PostgreSQL's matter.
  it('lists what it holds in the order of timestamps and names, and nothing else', async () => {
    for (const name of [
      '20260102000000_b',
      '20260101000000',
      '20260101000000_a',
      '20260103000000-c_D',
      'Migration20260101000000',
    ]) {
      await dir.add(name, 'SELECT 1');
    }
    for (const name of ['README.md', '.gitkeep', 'types.d.ts', '20260101000000_a.ts.bak']) await dir.write(name, 'x');
    expect((await folder.read()).map(({ name }) => name)).toEqual([
      '20260101000000',
      '20260101000000_a',
      'Migration20260101000000',
      '20260102000000_b',
      '20260103000000-c_D',
    ]);
  });

  // Case 28. The bytes of a file that no editor or checkout changes are what counts; a byte order mark is none of them (RFC 3629, 6).
  it('knows a file by the hash of its text, in which line ends and a byte order mark do not count', async () => {
    const text = migrationText('\n  override up() {}\n');
    await dir.write('20260101000000_a.ts', text);
    const unix = await only();
    expect(unix.hash).toBe(createHash('sha256').update(text).digest('hex'));
    await dir.write('20260101000000_a.ts', text.replaceAll('\n', '\r\n'));
    expect((await only()).hash).toBe(unix.hash);
    await dir.write('20260101000000_a.ts', `\uFEFF${text}`);
    expect((await only()).hash).toBe(unix.hash);
    await dir.write('20260101000000_a.ts', `${text} `);
    expect((await only()).hash).not.toBe(unix.hash);
  });

  it('reads a file that has changed anew, and imports no other one again', async () => {
    await dir.add('20260101000000_a', 'SELECT 1');
    await dir.add('20260102000000_b', 'SELECT 1');
    const before = await folder.read();
    await dir.add('20260102000000_b', 'SELECT 2');
    const after = await folder.read();
    expect(after[0]).toBe(before[0]);
    expect(after[1]?.statements).toEqual(['SELECT 2']);
    await dir.add('20260102000000_b', 'SELECT 1');
    expect((await folder.read())[1]?.statements).toEqual(['SELECT 1']);
  });

  it('notices files that come and go', async () => {
    expect(await folder.read()).toEqual([]);
    await dir.add('20260101000000_a', 'SELECT 1');
    expect(await folder.read()).toHaveLength(1);
    await dir.remove('20260101000000_a');
    expect(await folder.read()).toEqual([]);
  });

  it('describes what a migration does', async () => {
    await dir.addClass(
      '20260101000000_a',
      `async up() { this.addSql('SELECT 1'); this.addSql('SELECT 2'); } down() { this.addSql('SELECT 3'); }`,
    );
    expect(await only()).toMatchObject({
      name: '20260101000000_a',
      scope: 'TENANT',
      statements: ['SELECT 1', 'SELECT 2'],
      transactional: true,
      reversible: true,
      obstacle: undefined,
    });
  });

  it('tells that a migration without down() cannot be reverted', async () => {
    await dir.addClass('20260101000000_a', 'up() {}');
    expect(await only()).toMatchObject({ reversible: false, statements: [] });
  });

  it('does not take what only down() does for what up() does', async () => {
    await dir.addClass('20260101000000_a', `up() {} down() { this.addSql('SELECT 1'); }`);
    expect(await only()).toMatchObject({ reversible: true, statements: [] });
  });

  it.each([
    ['execute()', `async up() { await this.execute('SELECT 1'); }`],
    ['its entity manager', `async up() { await this.getEntityManager().execute('SELECT 1'); }`],
    ['the driver', `async up() { await this.driver.getConnection().execute('SELECT 1'); }`],
    ['the driver’s own methods', `async up() { await this.driver.nativeDelete('x', {}); }`],
    [
      'execute(), and goes on if that fails',
      `async up() { await this.execute('SELECT 1').catch(() => {}); this.addSql('SELECT 2'); }`,
    ],
    ['a query builder', `up() { this.addSql({ toSQL: () => ({ sql: 'SELECT 1' }) }); }`],
  ])('does not pretend to know what a migration sends that uses %s', async (_what, body) => {
    await dir.addClass('20260101000000_a', body);
    expect((await only()).statements).toBeUndefined();
  });

  it('tells what can be applied to no database', async () => {
    await dir.add('20260101000000_a', "INSERT INTO a VALUES ('COMMIT;')", 'SELECT 1; COMMIT');
    expect((await only()).obstacle).toMatch(/begins or ends a transaction \(COMMIT, line \d\)/);
  });

  it('tells which migrations are not transactional; those may begin and end transactions', async () => {
    await dir.addClass(
      '20260101000000_a',
      `up() { this.addSql('VACUUM'); this.addSql('BEGIN'); this.addSql('COMMIT'); } isTransactional() { return false; }`,
    );
    expect(await only()).toMatchObject({ transactional: false, obstacle: undefined });
  });

  it('prefers what a file exports as default', async () => {
    await dir.write(
      '20260101000000_a.ts',
      `import { Migration } from '@mikro-orm/migrations';
       export abstract class Base extends Migration { text() { return 'SELECT 1'; } }
       export default class extends Base { up() { this.addSql(this.text()); } }`,
    );
    expect((await only()).statements).toEqual(['SELECT 1']);
  });

  it.each([
    ['exports no migration', 'export const answer = 42;', 'must export a class that extends Migration'],
    ['exports another class', 'export default class { up() {} }', 'must export a class that extends Migration'],
    ['throws when it is imported', `throw new Error('no luck');`, 'cannot be loaded: no luck'],
    ['cannot be parsed', 'export default class {', 'cannot be loaded: '],
    ['imports what is not there', `import './gone.ts';`, 'cannot be loaded: '],
    [
      'cannot be constructed',
      migrationText(`up() {} constructor() { throw new Error('no luck'); }`),
      'cannot be constructed: no luck',
    ],
  ])('names the file that %s', async (_what, text, message) => {
    await dir.write('20260102000000_bad.ts', text);
    await dir.add('20260101000000_good', 'SELECT 1');
    expect(await problem()).toMatch(
      new RegExp(`^The migration artifacts-migrations-.*/20260102000000_bad.ts ${message}`),
    );
  });

  it.each(['add_notes.ts', '2026_add.ts', '20260101000000 add.ts', '20260101000000_é.ts', 'index.js'])(
    'refuses the name %s, and shows a good one',
    async (name) => {
      await dir.write(name, migrationText('up() {}'));
      expect(await problem()).toMatch(
        /is not a valid migration name\. Use a name such as 20260131120000_add_notes\.ts/,
      );
      expect(await problem()).toContain(name);
    },
  );

  it('refuses two files that would be the same migration', async () => {
    await dir.write('20260101000000_a.ts', migrationText('up() {}'));
    await dir.write('20260101000000_a.js', migrationText('up() {}'));
    expect(await problem()).toMatch(
      /^Two migrations are named 20260101000000_a: 20260101000000_a\.js and 20260101000000_a\.ts in .* delete 20260101000000_a\.js\.$/,
    );
  });

  it('says so if it is not there itself', async () => {
    folder = new MigrationFolder(`${dir.path}/gone`, 'TENANT');
    expect(await problem()).toMatch(
      /^The folder with TENANT migrations, artifacts-migrations-.*\/gone, cannot be read: ENOENT/,
    );
  });
});
