import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorCodes } from '../../src/lib/errors.ts';
import { type Checkout, copyCheckout } from '../support/checkout.ts';
import { makeInstallationDir } from '../support/empty-cluster.ts';
import { removeDataDir } from '../support/remove-data-dir.ts';
import { startServer } from '../support/server-process.ts';

/** Tests of the platform that would fail first if they knew the shop. */
const platformTests = ['architecture', 'api/schema', 'installation/story', 'routing/entities', 'api/access'].map(
  (name) => `test/${name}`,
);

describe('what README and docs say', () => {
  let checkout: Checkout;
  let settings: { DATA_DIR?: string };
  beforeEach(() => {
    checkout = copyCheckout();
    settings = {};
  });
  afterEach(async () => {
    checkout[Symbol.dispose]();
    if (settings.DATA_DIR) await removeDataDir(settings.DATA_DIR);
  });

  it('README can be followed from its beginning to its end', async () => {
    await using server = startServer({}, { checkout: checkout.dir });
    const { url } = await server.listening();
    const stdout = await runScript(
      blocks('README.md', 'sh').join('\n').replaceAll('http://127.0.0.1:4000/graphql', url),
    );
    expect(stdout).not.toContain('"errors"');
    expect(stdout).toContain('"products":{"totalCount":1,"nodes":[{"sku":"tea","price":"4.50","stock":10}]}');
    expect(stdout).toMatch(/To be applied to 2: northwind, initech\n {2}20261130010000_capital_skus\n/);
    expect(stdout).toMatch(/Migrations: SUCCEEDED\n[\s\S]*20261130010000_capital_skus {2}2\n/);
    expect(stdout).toMatch(/"kind":"RUN_ENDED".*"done":2,"total":2/);
    expect(stdout).toContain('0 of 2 tenants are behind.');
    expect(stdout).toContain('All is well.');
    expect(stdout).toContain(
      '{"data":{"tenant":{"version":"20261130010000_capital_skus","drift":{"isClean":true,"sql":[]}}}}',
    );
  }, 180_000);

  it('the examples can be replaced', async () => {
    settings = { DATA_DIR: await makeInstallationDir('tenantry-readme-') };
    for (const folder of ['src/modules', 'test/modules', 'migrations/tenant', 'migrations/common'].map(checkout.file)) {
      const doomed = readdirSync(folder).filter((name) => !/^access$|_access\.ts$|^README/.test(name));
      for (const name of doomed) rmSync(path.join(folder, name), { recursive: true });
    }
    for (const text of blocks('docs/builders.md', 'ts')) {
      const file = checkout.file(/^\/\/ (\S+)\n/.exec(text)?.[1] ?? 'unnamed.ts');
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    runTool('@biomejs/biome/bin/biome', 'check', '--error-on-warnings', 'src', 'test', 'bench', 'migrations');
    runTool('typescript/bin/tsc', '--noEmit');
    await using server = startServer(settings, { checkout: checkout.dir });
    const client = await server.listening();
    const admin = await token('--admin');
    await client.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', admin);
    const acme = await token('--tenant', 'acme');
    const ask = async <Data = unknown>(query: string) => {
      const { data, errors } = await client.ask<Data>(query, acme);
      expect(errors).toBeUndefined();
      // The caller knows what the query asks for.
      return data as Data;
    };
    const { createNotebook } = await ask<{ createNotebook: { id: string } }>(
      'mutation { createNotebook(input: { title: "Ideas" }) { id } }',
    );
    const note = (text: string, stars: number) =>
      `createNote(input: { notebook: "${createNotebook.id}", text: "${text}", stars: ${stars} }) { id version notebook { title } }`;
    const { a, c } = await ask<Record<'a' | 'c', { id: string }>>(
      `mutation { a: ${note('Green tea', 4)} b: ${note('Black tea', 5)} c: ${note('Tea', 1)} }`,
    );
    expect(a).toMatchObject({ version: 1, notebook: { title: 'Ideas' } });
    const [query = ''] = blocks('docs/builders.md', 'graphql');
    expect(await ask(query)).toMatchObject({
      notebook: { notes: { totalCount: 2, nodes: [{ summary: 'Black tea' }, { summary: 'Green tea', stars: 4 }] } },
    });
    const update = `mutation { updateNote(id: "${c.id}", version: 1, input: { text: " Mint tea " }) { text stars version } }`;
    expect(await ask(update)).toEqual({ updateNote: { text: 'Mint tea', stars: 1, version: 2 } });
    const codes = [
      update,
      `mutation { ${note('x', 9)} }`,
      'mutation { createNotebook(input: { title: "Ideas" }) { id } }',
    ];
    expect(await Promise.all(codes.map(async (text) => (await client.ask(text, acme)).errors?.[0]))).toMatchObject([
      { extensions: { code: 'CONFLICT', field: 'version' } },
      { message: 'A note has 0 to 5 stars', extensions: { code: 'BAD_USER_INPUT', field: 'stars' } },
      { message: 'There is a notebook with this title already', extensions: { code: 'CONFLICT', field: 'title' } },
    ]);
    expect(await ask(`mutation { deleteNote(id: "${c.id}") }`)).toEqual({ deleteNote: true });
    expect(await client.ask('{ tenant(slug: "acme") { drift { isClean sql } } }', admin)).toEqual({
      data: { tenant: { drift: { isClean: true, sql: [] } } },
    });
    execFileSync('sh', ['-c', 'npm run -s schema'], { cwd: checkout.dir, stdio: 'pipe' });
    runTool('vitest/vitest.mjs', 'run', ...platformTests, 'test/modules/access/profiles.test.ts');
  }, 600_000);

  it('a pipeline can check, migrate and ask whether it may go on', async () => {
    settings = { DATA_DIR: await makeInstallationDir('tenantry-readme-') };
    await using server = startServer(settings, { checkout: checkout.dir });
    await server.listening();
    await tenantry('setup', '--tenant', 'acme', 'beta');
    writeFileSync(
      checkout.file('migrations/tenant/20270101000000_later.ts'),
      `import { Migration } from '@mikro-orm/migrations';
export default class extends Migration {
  override up() { this.addSql('UPDATE products SET stock = 0'); }
  override down() { this.addSql('SELECT 1'); }
}`,
    );
    const git = `git init -q && git add -A && git -c user.name=x -c user.email=x@example.com commit -qm x && git update-ref refs/remotes/origin/main HEAD`;
    const stdout = await runScript([git, ...blocks('docs/operators.md', 'sh')].join('\n'));
    expect(stdout).toContain('The migrations are in order.');
    expect(stdout).toMatch(/To be applied to 2: acme, beta\n {2}20270101000000_later\n/);
    expect(stdout).toMatch(
      /Migrations: SUCCEEDED \(dry run[\s\S]*Migrations: SUCCEEDED\n[\s\S]*20270101000000_later {2}2\n/,
    );
    expect(readFileSync(checkout.file('plan.sql'), 'utf8')).toContain('UPDATE products SET stock = 0');
    expect(stdout).toMatch(/ RUN_ENDED .*2 skipped[\s\S]*\n0 of 2 tenants are behind\./);
    expect(server.output()).not.toContain('Warning');
  }, 180_000);

  /** Runs a script of a page in the copy, and gives what it prints. */
  async function runScript(script: string): Promise<string> {
    return (await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], inCopy())).stdout;
  }

  /** Runs a tool of the project over the copy; throws what it prints if it finds something wrong. */
  function runTool(tool: string, ...args: string[]): void {
    const { PATH, HOME, TMPDIR } = process.env;
    const options = { cwd: checkout.dir, env: { PATH, HOME, TMPDIR }, encoding: 'utf8', stdio: 'pipe' } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [`node_modules/${tool}`, ...args], options);
    if (status !== 0) throw new Error(`${tool}: ${stdout}${stderr}`);
  }

  const token = async (...args: string[]) => ({ authorization: `Bearer ${(await tenantry('token', ...args)).trim()}` });

  async function tenantry(...args: string[]): Promise<string> {
    return (await promisify(execFile)(process.execPath, ['src/cli.ts', ...args], inCopy())).stdout;
  }

  /** How a process is started in the copy. */
  function inCopy() {
    return { cwd: checkout.dir, env: { ...process.env, ...settings } };
  }
});

describe('the pages of README and docs', () => {
  it('lead to pages, chapters and commands that are there', () => {
    for (const page of pages()) {
      const text = readFileSync(page, 'utf8');
      for (const [, target = '', chapter] of text.matchAll(/\]\((?!http)([^)#]+)(?:#([^)]+))?\)/g)) {
        const other = readFileSync(path.join(path.dirname(page), target), 'utf8');
        const chapters = [...other.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
          title
            .toLowerCase()
            .replace(/[^\p{L}\p{N} _-]/gu, '')
            .replaceAll(' ', '-'),
        );
        if (chapter) expect(chapters, page).toContain(chapter);
      }
      const help = readFileSync('test/cli/help.txt', 'utf8');
      for (const [, group, name] of text.matchAll(
        /tenantry (?:-- )?(migrate|checkpoint|tenant|server|user) ([a-z]+(?:-[a-z]+)*)/g,
      )) {
        expect(help, page).toContain(`$ tenantry ${group} ${name} --help`);
      }
    }
  });

  it('an error means what it says', () => {
    const rows = readFileSync('docs/errors.md', 'utf8').matchAll(/^\| `([A-Z_]+)` \| (.*) \|$/gm);
    expect(Object.fromEntries([...rows].map(([, code, meaning]) => [code, meaning]))).toEqual(errorCodes);
  });
});

/** All pages of documentation. */
function pages(): readonly string[] {
  return globSync(['*.md', 'docs/**/*.md', 'test/README.md']);
}

function blocks(page: string, language: string): string[] {
  const fenced = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms');
  return [...readFileSync(page, 'utf8').matchAll(fenced)].map(([, text]) => text ?? '');
}
