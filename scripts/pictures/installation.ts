import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

/** An installation with some tenants and a server, for pictures. */
export interface Demo extends AsyncDisposable {
  readonly env: Record<string, string>;
  /** The URL of the API. */
  readonly url: string;
  /** A platform admin's token. */
  readonly token: string;
  /** Stops the server process until the result is disposed of, so that a moment of a run lasts. */
  pause(): Disposable;
  /** Adds a migration that takes about a second per tenant. */
  addMigration(name: string, statement: string): Promise<void>;
}

const root = path.join(import.meta.dirname, '../..');

const tenants = [
  ...['northwind', 'initech', 'acme', 'globex', 'hooli', 'umbrella', 'stark', 'wayne', 'cyberdyne', 'tyrell'],
  ...['soylent', 'vandelay', 'wonka', 'duff', 'oscorp', 'aperture', 'massive', 'monsters', 'planet', 'gringotts'],
  ...['octan', 'pied-piper', 'sterling', 'dunder'],
];

/** Starts a server with an embedded PostgreSQL in a temporary folder and creates the tenants. */
export async function openDemo(): Promise<Demo> {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-pictures-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  // Inside the checkout, so that the migrations find their packages.
  await mkdir(path.join(root, 'artifacts'), { recursive: true });
  const migrations = await mkdtemp(path.join(root, 'artifacts/pictures-'));
  stack.defer(() => rm(migrations, { recursive: true, force: true }));
  await cp(path.join(root, 'migrations/tenant'), migrations, { recursive: true });
  const { PATH = '', HOME = '' } = process.env;
  const env = { PATH, HOME, NODE_ENV: 'development', DATA_DIR: dataDir, PORT: '0', TENANT_MIGRATIONS_DIR: migrations };
  const server = spawn(process.execPath, ['src/main.ts'], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
  stack.defer(() => end(server));
  const { url, token } = await greetingOf(server);
  await promisify(execFile)(process.execPath, ['src/cli.ts', 'setup', '--tenant', ...tenants], { cwd: root, env });
  const opened = stack.move();
  return {
    env,
    url,
    token,
    pause: () => {
      server.kill('SIGSTOP');
      return { [Symbol.dispose]: () => void server.kill('SIGCONT') };
    },
    addMigration: (name, statement) => writeFile(path.join(migrations, `${name}.ts`), migrationText(statement)),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function greetingOf(server: ChildProcess): Promise<{ url: string; token: string }> {
  return new Promise((resolve, reject) => {
    let output = '';
    // The listener stays, because the server needs somebody who reads its log.
    server.stdout?.on('data', (chunk: Buffer) => {
      output += chunk;
      const [, url] = /GraphiQL: (http\S+)/.exec(output) ?? [];
      const [token] = /^ey[\w-]+\.[\w-]+\.[\w-]+$/m.exec(output) ?? [];
      if (url && token) resolve({ url, token });
    });
    server.once('exit', () => reject(new Error(`The server ended:\n${output}`)));
  });
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, 'exit');
  server.kill('SIGTERM');
  await exited;
}

function migrationText(statement: string): string {
  return `import { Migration } from '@mikro-orm/migrations';

export default class extends Migration {
  override up(): void {
    this.addSql(${JSON.stringify(statement)});
    this.addSql('SELECT pg_sleep(1 + random())');
  }
}
`;
}
