import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { HttpClient } from './http-client.ts';
import { ownInstallation, type ServerProcess, startServer } from './server-process.ts';
import { startTestPostgres, type TestPostgres } from './start-postgres.ts';

/** A server in a process of its own, with the tenant `acme` and a run that never ends, so that its progress never ends. */
export interface EndlessRun extends AsyncDisposable {
  readonly server: ServerProcess;
  readonly http: HttpClient;
  /** The run's id. */
  readonly run: string;
  readonly postgres: TestPostgres;
  /** For the folders of further installations on the same PostgreSQL. */
  readonly folder: string;
}

/** Starts it. Tokens can be forged with the secret of its PostgreSQL's settings. */
export async function startEndlessRun(settings: Record<string, string> = {}): Promise<EndlessRun> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-endless-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const postgres = stack.use(await startTestPostgres());
  const env = { ...ownInstallation(postgres, folder), JWT_SECRET: postgres.env.JWT_SECRET };
  // Without a worker the run does not end.
  const server = stack.use(startServer({ ...env, WORKER: 'off', TRUST_ADMIN_CLAIM: 'true', ...settings }));
  const http = await server.listening();
  const { data, errors } = await http.ask<{ runMigrations: { id: string } }>(
    `mutation {
      createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id }
      runMigrations(input: { verify: true }) { id }
    }`,
    server.admin(),
  );
  if (!data) throw new Error(JSON.stringify(errors));
  const disposal = stack.move();
  return {
    server,
    http,
    run: data.runMigrations.id,
    postgres,
    folder,
    [Symbol.asyncDispose]: () => disposal.disposeAsync(),
  };
}
