import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorCodes } from '../../src/errors.ts';
import { startServerProcess } from '../support/server-process.ts';

const readme = readFileSync('README.md', 'utf8');

const copied = [
  ...['package.json', 'tsconfig.json', 'biome.json', '.gitignore', 'vitest.config.ts', 'schema.graphql'],
  ...['src', 'test', 'bench', 'migrations', 'scripts'],
];

/** Tests of the platform that would fail first if they knew the shop. */
const platformTests = ['architecture', 'schema', 'story', 'entities', 'graphql/access'].map(
  (name) => `test/${name}.test.ts`,
);

describe('what README says', () => {
  let checkout: string;
  const inCheckout = (file: string) => path.join(checkout, file);

  // A copy, so that what README changes changes nothing here; beside the real one's packages, and ignored by git.
  beforeEach(() => {
    checkout = mkdtempSync(path.resolve('artifacts-readme-'));
    for (const name of copied) {
      cpSync(name, inCheckout(name), { recursive: true });
    }
    symlinkSync(path.resolve('node_modules'), inCheckout('node_modules'));
  });
  afterEach(() => rmSync(checkout, { recursive: true, force: true }));

  it('first steps can be taken one after the other', async () => {
    await using server = await startServerProcess(checkout, {});
    const script = blocks('sh').join('\n').replaceAll('http://127.0.0.1:4000/graphql', server.url);
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { cwd: checkout });
    expect(stdout).not.toContain('"errors"');
    expect(stdout).toContain('"version":"20261121004000_shop_permissions"');
    expect(stdout).toContain('"products":{"totalCount":1,"nodes":[{"sku":"tea","price":"4.50","stock":10}]}');
    expect(stdout).toContain('"pending":["20261121010000_capital_skus"],"sql":["UPDATE products');
    expect(stdout).toMatch(/"kind":"MIGRATION_APPLIED","tenant":\{"slug":"acme"\}.*"message":"applied in /);
    expect(stdout).toMatch(/"kind":"RUN_ENDED".*"done":1,"total":1/);
    expect(stdout).toContain(
      '{"data":{"tenant":{"version":"20261121010000_capital_skus","drift":{"isClean":true,"sql":[]}}}}',
    );
  });

  it('the example shop can be replaced', async () => {
    rmSync(inCheckout('src/modules/shop'), { recursive: true });
    for (const folder of ['test/modules', 'migrations/tenant'].map(inCheckout)) {
      const doomed = readdirSync(folder).filter((name) => !/^access$|_access\.ts$/.test(name));
      for (const name of doomed) rmSync(path.join(folder, name), { recursive: true });
    }
    for (const text of blocks('ts')) {
      const file = inCheckout(/^\/\/ (\S+)\n/.exec(text)?.[1] ?? 'unnamed.ts');
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    runTool('@biomejs/biome/bin/biome', 'check', '--error-on-warnings', 'src', 'test', 'bench', 'migrations');
    runTool('typescript/bin/tsc', '--noEmit');
    await using server = await startServerProcess(checkout, {});
    const admin = await token('--admin');
    await ask(server.url, admin, 'mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }');
    const acme = await token('--tenant', 'acme');
    await ask(server.url, acme, 'mutation { addNote(text: "It works") { id } }');
    expect(await ask(server.url, admin, '{ tenant(slug: "acme") { drift { isClean sql } } }')).toEqual({
      data: { tenant: { drift: { isClean: true, sql: [] } } },
    });
    expect(await ask(server.url, acme, '{ notes { totalCount nodes { text } } }')).toEqual({
      data: { notes: { totalCount: 1, nodes: [{ text: 'It works' }] } },
    });
    execFileSync('sh', ['-c', 'npm run -s schema'], { cwd: checkout, stdio: 'pipe' });
    runTool('vitest/vitest.mjs', 'run', ...platformTests, 'test/modules/access/profiles.test.ts');
  }, 600_000);

  it('an error means what it says', () => {
    const rows = readme.matchAll(/^\| `([A-Z_]+)` \| (.*) \|$/gm);
    expect(Object.fromEntries([...rows].map(([, code, meaning]) => [code, meaning]))).toEqual(errorCodes);
  });

  /** Runs a tool of the project over the copy; throws what it prints if it finds something wrong. */
  function runTool(tool: string, ...args: string[]): void {
    const { PATH, HOME, TMPDIR } = process.env;
    const options = { cwd: checkout, env: { PATH, HOME, TMPDIR }, encoding: 'utf8', stdio: 'pipe' } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [`node_modules/${tool}`, ...args], options);
    if (status !== 0) throw new Error(`${tool}: ${stdout}${stderr}`);
  }

  async function token(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, ['src/cli.ts', 'token', ...args], { cwd: checkout });
    return stdout.trim();
  }
});

function blocks(language: string): string[] {
  const fenced = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms');
  return [...readme.matchAll(fenced)].map(([, text]) => text ?? '');
}

async function ask(url: string, token: string, query: string): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  return response.json();
}
