import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startTestApp } from '../support/start-app.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

it('a webhook has its turn although as many as are served at once have slow receivers and many events', async () => {
  await using receiver = await WebhookReceiver.start();
  await using app = await startTestApp({ WEBHOOK_PRIVATE_NETWORKS: 'true' });
  const ask = async (text: string) => expect((await app.ask(text, app.admin)).errors).toBeUndefined();
  const create = (path: string) =>
    ask(`mutation { createWebhook(input: { url: "${receiver.url(path)}", events: [TENANT_CREATED] }) { secret } }`);
  receiver.answer = async (response, { path }) => {
    if (path === '/slow') await sleep(500);
    response.writeHead(204).end();
  };
  for (let count = 0; count < 8; count += 1) await create('/slow');
  await app.services.catalog.use((client) =>
    client.query(
      `INSERT INTO webhook_deliveries (webhook_id, event_id, event, payload)
       SELECT id, gen_random_uuid(), 'tenant.created', '{}' FROM webhooks, generate_series(1, 200)`,
    ),
  );
  await eventually('the slow ones are served', async () => receiver.requests.length >= 8);
  await create('/quick');
  await ask('mutation { createTenant(input: { slug: "quick", name: "x", isolation: SCHEMA }) { id } }');
  await eventually('the quick one has its turn', async () => receiver.requests.some(({ path }) => path === '/quick'));
});
