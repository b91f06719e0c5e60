import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, realpathSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { expect } from 'vitest';
import { z } from 'zod';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/postgres/embedded/start.ts';

const starter = resolve('test/postgres/embedded/fixtures/start-embedded.ts');

const printed = z.object({
  port: z.number(),
  user: z.string(),
  password: z.string(),
  owned: z.boolean(),
  lines: z.array(z.string()),
});

/** A process that has started a server, or joined one, and stops it when it ends. */
export interface Starter {
  readonly child: ChildProcess;
  /** What the start gave, and the lines that it logged. */
  readonly server: z.infer<typeof printed>;
}

/** Where a {@link Starter} starts: by default the folder of the {@link EmbeddedFolder}, with the project's code. */
export interface StarterOptions {
  readonly module?: string;
  readonly dataDir?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** A folder in which embedded servers are started by this process and by others. Disposing of it ends them all. */
export class EmbeddedFolder implements AsyncDisposable {
  readonly path: string;
  readonly dataDir: string;
  readonly sharedDir: string;
  /** What the starts by this process have logged. */
  readonly lines: string[] = [];
  /** Processes to be killed at the end. */
  readonly children: ChildProcess[] = [];
  readonly #started: EmbeddedPostgres[] = [];

  private constructor(folder: string) {
    this.path = folder;
    this.dataDir = join(folder, 'data');
    this.sharedDir = join(folder, 'shared');
  }

  static async make(): Promise<EmbeddedFolder> {
    const folder = realpathSync(await mkdtemp(join(tmpdir(), 'tenantry-embedded-')));
    chmodSync(folder, 0o755);
    return new EmbeddedFolder(folder);
  }

  /** Starts a server, or joins the one that runs. */
  async start(settings: Record<string, string> = {}): Promise<EmbeddedPostgres> {
    const { dataDir, sharedDir, lines } = this;
    const server = await startEmbeddedPostgres({ dataDir, sharedDir, settings, onLog: (line) => lines.push(line) });
    this.#started.push(server);
    return server;
  }

  /** Lets a process of its own do it. */
  async startChild(options: StarterOptions = {}): Promise<Starter> {
    const { module = resolve('src/postgres/embedded/start.ts'), dataDir = this.dataDir, ...account } = options;
    const child = spawn(process.execPath, [starter, module, dataDir, this.sharedDir], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
      ...account,
    });
    this.children.push(child);
    for await (const line of createInterface({ input: child.stdout })) {
      const result = z.union([printed, z.object({ error: z.string() })]).parse(JSON.parse(line));
      if ('error' in result) throw new Error(result.error);
      return { child, server: result };
    }
    throw new Error('the fixture ended without a word');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    // Whatever a failed test left running is ours to stop: a start takes it over.
    for (const server of this.#started) await server.stop();
    for (const cluster of [join(this.dataDir, 'postgres'), join(this.path, 'checkout/data/postgres')])
      if (existsSync(join(cluster, 'postmaster.pid'))) signalServer(cluster, 'SIGQUIT');
    await rm(this.path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** Ends a {@link Starter} with a signal, or else as it ends by itself. */
export async function end(child: ChildProcess, signal?: NodeJS.Signals): Promise<void> {
  const exit = once(child, 'exit');
  if (signal) child.kill(signal);
  else child.stdin?.end();
  await exit;
}

/** Kills the server of a cluster, and resolves when it is dead, which on a busy machine is later than the signal. */
export async function killServer(cluster: string): Promise<void> {
  const pid = signalServer(cluster, 'SIGKILL');
  await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
}

/** Asks as the superuser; gives all values of all rows. */
export async function query(
  { port, user, password }: Pick<EmbeddedPostgres, 'port' | 'user' | 'password'>,
  sql: string,
): Promise<unknown[]> {
  const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'postgres' });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

function signalServer(cluster: string, signal: NodeJS.Signals): number {
  const pid = Number(readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n')[0]);
  process.kill(pid, signal);
  return pid;
}

function isAlive(pid: number): boolean {
  try {
    // A zombie, which has died and waits to be noticed, has state Z.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Statements that leave something in a server, and ask for it: 42. */
export const keep = 'create table kept as select 42 as answer';
export const answer = 'select answer from kept';
