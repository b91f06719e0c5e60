import { hostname, userInfo } from 'node:os';
import { PassThrough, Readable } from 'node:stream';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mutationOfCommand, unauditedCommands } from '../../src/cli/audit-command.ts';
import { createProgram } from '../../src/cli/run.ts';
import { Fleet } from '../support/fleet.ts';
import { buildTestSchema, product } from '../support/product.ts';
import { commandsOf, runCommand } from '../support/run-command.ts';

interface Entry {
  readonly actor: string;
  readonly action: string;
  readonly outcome: string;
  readonly tenant: { readonly slug: string } | null;
  readonly details: string;
}

describe('what is done on the command line', () => {
  let fleet: Fleet;
  let tenantry: ReturnType<typeof commandsOf>;
  beforeAll(async () => {
    fleet = await Fleet.start({ WORKER: 'off' });
    tenantry = commandsOf(fleet.app);
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  /** What the commands add to the audit log, oldest first. */
  async function added(...commands: (() => Promise<unknown>)[]): Promise<Entry[]> {
    const read = async () => {
      const { auditLog } = await fleet.ask<{ auditLog: { nodes: Entry[] } }>(
        '{ auditLog(first: 100) { nodes { actor action outcome tenant { slug } details } } }',
      );
      return auditLog.nodes.toReversed();
    };
    const before = await read();
    for (const command of commands) await command();
    return (await read()).slice(before.length);
  }
  const brief = (entries: readonly Entry[]) =>
    entries.map(({ action, outcome, tenant }) => [action, outcome, ...(tenant ? [tenant.slug] : [])].join(' '));

  it('is in the audit log, whether it went well or not: who, what, on which tenant', async () => {
    const env = { NODE_ENV: 'test', DATA_DIR: fleet.app.services.config.dataDir };
    const entries = await added(
      () => tenantry('tenant', 'create', 'acme'),
      () => tenantry('tenant', 'create', 'acme'),
      () => tenantry('tenant', 'resolve', 'acme'),
      () => tenantry('tenant', 'resolve', 'nobody'),
      () => tenantry('setup', '--tenant', 'acme', 'beta'),
      () => runCommand(['user', 'create', 'ada@example.com'], env, undefined, Readable.from(['correct horse battery'])),
      () => tenantry('migrate', 'up', '--tenant', 'acme', '--dry-run'),
      () => tenantry('migrate', 'down', '--all', '--steps', '1'),
      () => tenantry('migrate', 'up', '--to', 'nonsense'),
      () => tenantry('migrate', 'accept', 'nonsense'),
      () => tenantry('checkpoint', 'create', 'acme'),
    );
    expect(brief(entries)).toEqual([
      'createTenant OK acme',
      'createTenant SLUG_TAKEN acme',
      'resolveTenant OK acme',
      'resolveTenant TENANT_NOT_FOUND',
      'tenantry setup OK',
      'tenantry user create OK',
      'runMigrations OK acme',
      'rollbackMigrations OK',
      'runMigrations BAD_USER_INPUT',
      'acceptMigrationHash NOT_FOUND',
      'createCheckpoint OK acme',
    ]);
    const who = `command line (${userInfo().username}@${hostname()})`;
    expect(new Set(entries.map(({ actor }) => actor))).toEqual(new Set([who]));
    expect(entries.map(({ details }) => JSON.parse(details))).toMatchObject([
      { slugs: ['acme'] },
      { slugs: ['acme'] },
      { slug: 'acme' },
      { slug: 'nobody' },
      { tenant: ['acme', 'beta'] },
      { email: 'ada@example.com' },
      { tenant: ['acme'], dryRun: true },
      { all: true, steps: 1 },
      { to: 'nonsense' },
      { name: 'nonsense' },
      { tenant: 'acme' },
    ]);
    expect(JSON.stringify(entries)).not.toContain('horse');
  });

  it('is in the audit log if it makes a token or a key, without these', async () => {
    const made: string[] = [];
    const entries = await added(
      async () => made.push((await tenantry('token', '--tenant', 'acme', '--role', 'OWNER')).stdout.trim()),
      () => tenantry('keys', 'rotate'),
    );
    expect(made).toEqual([expect.stringMatching(/^ey/)]);
    expect(brief(entries)).toEqual(['tenantry token OK acme', 'tenantry keys rotate OK']);
    expect(JSON.parse(entries[0]?.details ?? '')).toEqual({ tenant: 'acme', role: 'OWNER', expires: '2h' });
  });

  it.each([
    ['postgres://ada:hunter2@127.0.0.1:1/postgres', 'postgres://…@127.0.0.1:1/postgres'],
    ['postgres://ada@127.0.0.1:1/postgres?password=hunter2', 'postgres://…@127.0.0.1:1/postgres?…'],
    ['ada:hunter2@127.0.0.1:1/postgres', '…@127.0.0.1:1/postgres'],
    ['postgres://ada:hunter2/postgres', 'postgres://ada:…'],
    ['postgres://ada:hunter2#more@127.0.0.1:1/postgres', 'postgres://…@127.0.0.1:1/postgres'],
    ['postgres://127.0.0.1:1/postgres', 'postgres://127.0.0.1:1/postgres'],
  ])('is in the audit log without the password of a URL, also of one that is refused: %s', async (url, shown) => {
    const [entry, ...others] = await added(() => tenantry('server', 'add', 'eu', url));
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ action: 'tenantry server add', outcome: expect.not.stringMatching('OK') });
    expect(JSON.parse(entry?.details ?? '')).toEqual({ name: 'eu', url: shown });
  });

  it('is in the audit log without the password of the URL of a pooler', async () => {
    const pooler = 'postgres://127.0.0.1:6432?password=hunter2';
    const [entry] = await added(() => tenantry('server', 'update', 'eu', '--pooler-url', pooler));
    expect(JSON.parse(entry?.details ?? '')).toEqual({ name: 'eu', poolerUrl: 'postgres://127.0.0.1:6432?…' });
  });

  it('is not in the audit log if it changes nothing', async () => {
    const nothing = [
      ['tenant', 'list'],
      ['tenant', 'show', 'acme'],
      ['server', 'list'],
      ['checkpoint', 'list'],
      ['migrate', 'status'],
      ['status'],
      ['migrate', 'plan'],
      ['migrate', 'runs'],
      ['migrate', 'history'],
      ['migrate', 'up', '--sql'],
    ].map((argv) => async () => expect((await tenantry(...argv)).exit, argv.join(' ')).toBeLessThan(2));
    expect(await added(...nothing)).toEqual([]);
  });

  it('is known by commands and mutations that there are', async () => {
    const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
    const pathsOf = (command: Command, path: readonly string[]): readonly string[] => [
      path.join(' '),
      ...command.commands.flatMap((inner) => pathsOf(inner, [...path, inner.name()])),
    ];
    const known = [...unauditedCommands, ...Object.keys(mutationOfCommand)];
    expect(pathsOf(createProgram({ env: {}, ...streams, loadProduct: () => Promise.resolve(product) }), [])).toEqual(
      expect.arrayContaining(known),
    );
    const mutations = Object.keys((await buildTestSchema()).getMutationType()?.getFields() ?? {});
    expect(mutations).toEqual(expect.arrayContaining(Object.values(mutationOfCommand)));
  });
});
