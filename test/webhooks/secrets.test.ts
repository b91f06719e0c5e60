import { pino } from 'pino';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { commandsOf } from '../support/run-command.ts';
import { startTestApp } from '../support/start-app.ts';
import { verified, WebhookReceiver } from '../support/webhook-receiver.ts';

it('the command line manages webhooks, and a secret is shown once and nowhere else', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  await using receiver = await WebhookReceiver.start();
  receiver.answer = (response) => response.writeHead(500).end();
  await using app = await startTestApp({ WEBHOOK_PRIVATE_NETWORKS: 'true' }, { log });
  const tenantry = commandsOf(app, { WEBHOOK_PRIVATE_NETWORKS: 'true' });

  const created = await tenantry('webhook', 'create', receiver.url('/'), '--events', 'tenant.created', 'run.ended');
  const secret = created.stdout.trim();
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(created.stderr).not.toContain(secret);
  await app.ask('mutation { createTenant(input: { slug: "acme", name: "x", isolation: SCHEMA }) { id } }', app.admin);
  await eventually('a failed attempt', async () => receiver.requests.length > 0);
  expect(verified(secret, receiver.requests[0] ?? expect.unreachable()).type).toBe('tenant.created');

  const list = await tenantry('webhook', 'list', '--json');
  const [webhook] = JSON.parse(list.stdout);
  expect(webhook).toMatchObject({ url: receiver.url('/'), events: ['tenant.created', 'run.ended'], enabled: true });
  const deliveries = await eventually('the attempt is written', async () => {
    const shown = await tenantry('webhook', 'deliveries', webhook.id.slice(0, 8), '--json');
    return shown.stdout.includes('status 500') && shown;
  });
  receiver.answer = (response) => response.writeHead(204).end();
  const again = await tenantry('webhook', 'redeliver', JSON.parse(deliveries.stdout)[0].id);
  expect(again).toMatchObject({ exit: 0, stderr: '' });
  await eventually('it works again', async () =>
    /\tworks\n/.test((await tenantry('webhook', 'list')).stdout) ? true : undefined,
  );
  const unknown = await tenantry('webhook', 'create', receiver.url('/'), '--events', 'tenant.sold');
  expect(unknown).toMatchObject({ exit: 1, stdout: '' });
  expect(unknown.stderr).toContain('There is no event tenant.sold. The events are: tenant.created, ');

  const { rows } = await app.services.catalog.use((client) =>
    client.query<{ text: string }>(
      `SELECT (SELECT json_agg(w)::text FROM webhooks w) || (SELECT json_agg(d)::text FROM webhook_deliveries d)
         || (SELECT json_agg(a)::text FROM audit_log a) AS text`,
    ),
  );
  expect(rows[0]?.text).toContain('createWebhook');
  const raw = secret.replace('whsec_', '');
  for (const text of [rows[0]?.text, lines.join(''), list.stdout, deliveries.stdout]) {
    expect(text).not.toContain(raw);
    expect(text).not.toContain('sealed-v1:whsec');
  }
  const { errors } = await app.ask('{ webhooks { secret } }', app.admin);
  expect(errors?.[0]?.message).toContain('Cannot query field "secret"');
  expect((await tenantry('webhook', 'delete', webhook.id)).exit).toBe(0);
  expect(JSON.parse((await tenantry('webhook', 'list', '--json')).stdout)).toEqual([]);
});
