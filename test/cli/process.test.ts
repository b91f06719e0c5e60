import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { childEnv } from '../support/child-env.ts';
import { makeClusterDir } from '../support/empty-cluster.ts';
import { programs } from '../support/product.ts';
import { removeDataDir } from '../support/remove-data-dir.ts';

let dataDir: string;
beforeAll(async () => {
  dataDir = await makeClusterDir('tenantry-process-');
});
afterAll(() => removeDataDir(dataDir));

interface Ended {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a line of shell, in which `tenantry` is the command line as a process of its own. */
function shell(line: string): Promise<Ended> {
  const tenantry = `tenantry() { '${process.execPath}' ${programs.cli} "$@"; }`;
  return new Promise((resolve) => {
    const env = { ...childEnv, NODE_ENV: 'test', DATA_DIR: dataDir };
    execFile('bash', ['-o', 'pipefail', '-c', `${tenantry}; ${line}`], { env }, (error, stdout, stderr) => {
      resolve({ exit: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

describe('without a server', () => {
  it('commands start the built-in PostgreSQL, and stop it again', async () => {
    const { exit, stdout, stderr } = await shell(
      'tenantry setup --tenant acme >/dev/null && tenantry migrate up && tenantry migrate check >&2 && tenantry tenant list --json',
    );
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: expect.stringMatching(/Skipped +1\n[\s\S]*"slug": "acme"/) });
    expect(stderr).toMatch(/ RUN_ENDED /);
    expect(stderr).not.toContain('Warning');
    expect(JSON.parse(await readFile(path.join(dataDir, 'embedded.json'), 'utf8'))).toMatchObject({ starter: null });
  });

  it('failures and wrong usage have their exit status, and results alone are on standard output', async () => {
    expect(await shell('tenantry tenant show nobody')).toMatchObject({ exit: 1, stdout: '' });
    expect(await shell('tenantry tenant sow nobody')).toMatchObject({ exit: 2, stdout: '' });
    expect(await shell('PORT=x tenantry tenant list')).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('PORT'),
    });
  });

  it('the errors behind an error are shown with --verbose, and no password is', async () => {
    const line = 'DATABASE_URL=postgres://me:unspoken@127.0.0.1:1/postgres tenantry tenant list';
    const { stderr } = await shell(`${line} --verbose`);
    expect(stderr).toMatch(
      /^Error: PostgreSQL at 127\.0\.0\.1:1 [\s\S]*\nCaused by: Error: connect ECONNREFUSED.*\n +at /,
    );
    expect(stderr).not.toContain('unspoken');
    expect((await shell(line)).stderr).toMatch(/^PostgreSQL at 127\.0\.0\.1:1 cannot be reached .*\n$/);
  });

  it('say in which file and line the syntax of a module is wrong', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'tenantry-module-'));
    const entity = path.join(folder, 'note.entity.ts');
    await writeFile(entity, "export const kind = 'note';\nexport enum State { New = 'new' }\n");
    const cli = path.join(folder, 'cli.ts');
    await writeFile(
      cli,
      `import { runHere } from '${path.resolve('src/cli/run-here.ts')}';
       process.exitCode = await runHere(process.argv.slice(2), () => import('./note.entity.ts'));`,
    );
    const { exit, stderr } = await shell(`'${process.execPath}' ${cli} migrate new more`);
    await rm(folder, { recursive: true });
    expect({ exit, stderr }).toEqual({ exit: 1, stderr: expect.stringContaining(`${entity}:2\n`) });
  });

  describe.each([
    ['a package', '{ "type": "module" }'],
    // Node then names the file otherwise in its errors.
    ['a folder without package.json', undefined],
  ])('in %s', (_place, packageJson) => {
    it.each([
      [`import {} from '@mikro-orm/migrations';\n\nexport default class {\n  up( }\n}\n`, /\(line 4, column 7\)\n$/],
      [`const slug = '';\n\nthrow new Error('no luck');\n`, /cannot be loaded: no luck \(line 3, column 7\)\n$/],
      ['export default class {\n', /cannot be loaded: \S.* \(line 1\)\n$/],
    ])('say in which line of a migration a mistake is: %j', async (text, message) => {
      const folder = mkdtempSync(path.join(tmpdir(), 'tenantry broken-'));
      if (packageJson) await writeFile(path.join(folder, 'package.json'), packageJson);
      await writeFile(path.join(folder, '20260101000000_broken.ts'), text);
      const { exit, stderr } = await shell(`TENANT_MIGRATIONS_DIR='${folder}' tenantry migrate new more`);
      await rm(folder, { recursive: true });
      expect({ exit, stderr }).toEqual({ exit: 1, stderr: expect.stringMatching(message) });
    });
  });

  it('a closed output is not a failure, and work in progress still finishes', async () => {
    expect(await shell('tenantry --help | head -c 1')).toEqual({ exit: 0, stdout: 'U', stderr: '' });
    expect(await shell('tenantry setup --tenant unread | head -c 1')).toMatchObject({ exit: 0, stderr: '' });
    expect((await shell('tenantry tenant show unread')).stdout).toContain('ACTIVE');
  });
});
