import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { startS3Server } from '../../support/s3-server.ts';
import { ownInstallation, startServer } from '../../support/server-process.ts';
import { startTestPostgres } from '../../support/start-postgres.ts';
import { FileLab, put, refusalOf } from './file-lab.ts';

/** More than any client tries. */
const MANY = 1_000;

it('a file that cannot be deleted from the store now is deleted later', async () => {
  await using lab = await FileLab.start('s3');
  const id = await lab.upload('hello');
  lab.store.failNext(MANY);
  expect(await lab.ask(`mutation { deleteFile(id: "${id}") }`)).toEqual({ deleteFile: true });
  expect(await lab.ask('{ files { totalCount } }')).toEqual({ files: { totalCount: 0 } });
  lab.store.failNext(0);
  expect(await lab.store.keys()).toHaveLength(1);
  await lab.announce();
  expect(await lab.store.keys()).toEqual([]);
});

it('an upload that the store refuses can be tried again', async () => {
  await using lab = await FileLab.start('s3');
  const { url } = await lab.announce();
  lab.store.failNext(1);
  expect(await refusalOf(await put(url, 'hello'))).toMatchObject({ status: 503, code: 'SERVER_BUSY' });
  expect((await put(url, 'hello')).status).toBe(201);
});

it('the files of a deleted tenant are deleted also if the store does not answer then, and the server is killed', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-files-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const postgres = stack.use(await startTestPostgres());
  const s3 = stack.use(await startS3Server());
  const env = { ...ownInstallation(postgres, folder), ...s3.env };
  const server = stack.use(startServer(env));
  const client = await server.listening();
  const create = 'mutation { createTenant(input: { slug: "acme", name: "x", isolation: SCHEMA }) { id } }';
  expect((await client.ask(create, server.admin())).errors).toBeUndefined();
  const headers = { ...server.admin(), 'x-tenant': 'acme' };
  const announce = 'mutation { createUpload(input: { name: "a", contentType: "text/plain", size: 5 }) { url } }';
  const { data } = await client.ask<{ createUpload: { url: string } }>(announce, headers);
  expect((await put(new URL(data?.createUpload.url ?? '', client.url).href, 'hello')).status).toBe(201);
  expect(s3.objects.size).toBe(1);

  s3.failNext(MANY);
  const { errors } = await client.ask(
    'mutation { deleteTenant(id: "acme", slug: "acme", purge: true) { id } }',
    server.admin(),
  );
  expect(errors?.[0]?.extensions.code).toBe('SERVER_BUSY');
  await server.end('SIGKILL');
  s3.failNext(0);
  expect(s3.objects.size).toBe(1);
  const tenants = () => postgres.rows('SELECT slug FROM tenants', [], env.AUTH_DATABASE);
  expect(await tenants()).toEqual([{ slug: 'acme' }]);

  const next = stack.use(startServer(env));
  await next.listening();
  await eventually('the tenant is gone', async () => (await tenants()).length === 0);
  expect(s3.objects.size).toBe(0);
});
