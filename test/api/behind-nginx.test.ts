import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Client, createClient } from 'graphql-sse';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type EndlessRun, startEndlessRun } from '../support/endless-run.ts';
import { clientOf, type HttpClient } from '../support/http-client.ts';
import type { ServerProcess } from '../support/server-process.ts';

// With REQUIRE_NGINX, as in .ci/run, its tests fail without it. Debian installs it where only root's PATH leads.
const program = ['nginx', '/usr/sbin/nginx'].find((name) => spawnSync(name, ['-v']).status === 0) ?? 'nginx';
const hasNginx = process.env.REQUIRE_NGINX !== undefined || spawnSync(program, ['-v']).status === 0;

describe.runIf(hasNginx)('behind nginx with its default settings', () => {
  let folder: string;
  let endless: EndlessRun;
  let server: ServerProcess;
  let nginx: ChildProcess;
  let proxy: HttpClient;
  let run: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-nginx-'));
    endless = await startEndlessRun();
    ({ server, run } = endless);
    const port = await freePort();
    await writeFile(path.join(folder, 'nginx.conf'), configuration(folder, port, endless.http.port));
    nginx = spawn(program, ['-c', path.join(folder, 'nginx.conf'), '-e', 'stderr'], { stdio: 'ignore' });
    proxy = clientOf(port);
    await vi.waitFor(async () => expect((await proxy.get('/health/live')).status).toBe(200), 20_000);
  });
  afterAll(async () => {
    nginx?.kill('SIGTERM');
    await endless?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    ['distinct connections', () => createClient({ url: proxy.url, headers: server.admin() })],
    [
      'a single connection',
      () => createClient({ url: `${proxy.url}/stream`, singleConnection: true, headers: server.admin() }),
    ],
  ])(
    'events of a stream that goes on arrive at once: %s',
    async (_name, connect) => {
      const client: Client<boolean> = connect();
      const query = `subscription { migrationProgress(run: "${run}") { kind } }`;
      // The stream never ends, so nginx would hold back this event until its next one.
      for await (const { data } of client.iterate({ query })) {
        expect(data).toEqual({ migrationProgress: { kind: 'RUN_STARTED' } });
        break;
      }
      client.dispose();
    },
    10_000,
  );
});

function configuration(folder: string, port: number, upstream: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  ${temporary.join(' ')}
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${upstream}; }
  }
}
`;
}

/** nginx cannot choose one itself. */
function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const listener = createServer().listen(0, '127.0.0.1', () => {
    const address = listener.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    listener.close(() => resolve(port));
  });
  return promise;
}
