import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startWorker } from '../support/server-process.ts';
import { startTestApp } from '../support/start-app.ts';
import { startInstalledPostgres } from '../support/start-postgres.ts';
import { eventIn, WebhookReceiver } from '../support/webhook-receiver.ts';

it('events that a killed process was delivering are delivered by another, in order', async () => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'tenantry-killed-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const receiver = stack.use(await WebhookReceiver.start());
  const postgres = stack.use(await startInstalledPostgres());
  const env = { ...postgres.env, WEBHOOK_PRIVATE_NETWORKS: 'true' };
  const app = stack.use(await startTestApp({ ...env, WORKER: 'off' }));
  const worker = () => startWorker({ NODE_ENV: 'test', LOG_LEVEL: 'silent', DATA_DIR: dataDir, ...env });
  const ask = async (text: string) => expect((await app.ask(text, app.admin)).errors).toBeUndefined();

  // It answers nothing, so the first worker is killed in the middle of its request.
  receiver.answer = () => undefined;
  const first = stack.use(await worker());
  await ask(
    `mutation { createWebhook(input: { url: "${receiver.url()}", events: [TENANT_CREATED, TENANT_SUSPENDED] }) { secret } }`,
  );
  await ask('mutation { createTenant(input: { slug: "killed", name: "x", isolation: SCHEMA }) { id } }');
  await ask('mutation { suspendTenant(id: "killed") { id } }');
  await eventually('the first event arrives', async () => receiver.requests.length > 0);
  await first.end('SIGKILL');

  receiver.answer = (response) => response.writeHead(204).end();
  const others = [stack.use(await worker()), stack.use(await worker())];
  await eventually('both events arrive', async () => receiver.requests.length >= 3);
  expect(receiver.requests.map(({ body }) => eventIn(body).type)).toEqual([
    'tenant.created',
    'tenant.created',
    'tenant.suspended',
  ]);
  const [lost, again] = receiver.requests;
  expect(again?.headers['webhook-id']).toBe(lost?.headers['webhook-id']);
  expect(again?.body).toBe(lost?.body);
  for (const other of others) expect(await other.end('SIGTERM')).toBe(0);
  const { rows } = await app.services.catalog.use((client) =>
    client.query('SELECT delivered_at IS NOT NULL AS delivered, attempts FROM webhook_deliveries ORDER BY id'),
  );
  expect(rows).toEqual([
    { delivered: true, attempts: 1 },
    { delivered: true, attempts: 1 },
  ]);
});
