import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

it('the example turns a halted run into a message in Slack, and refuses what is not signed', async () => {
  await using stack = new AsyncDisposableStack();
  const slack = stack.use(await WebhookReceiver.start());
  slack.answer = (response) => response.end('ok');
  const fleet = stack.use(await Fleet.start({ WEBHOOK_PRIVATE_NETWORKS: 'true' }));
  const { createWebhook } = await fleet.ask<{ createWebhook: { secret: string; webhook: { id: string } } }>(
    'mutation { createWebhook(input: { url: "http://127.0.0.1:9/", events: [RUN_HALTED, RUN_ENDED] }) { secret webhook { id } } }',
  );
  const program = spawn(process.execPath, ['docs/webhooks/slack.ts'], {
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      WEBHOOK_SECRET: createWebhook.secret,
      SLACK_WEBHOOK_URL: slack.url('/services/T/B/X'),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  stack.defer(async () => {
    const ended = new Promise((resolve) => program.once('exit', resolve));
    program.kill();
    await ended;
  });
  let output = '';
  program.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const port = await eventually('the example listens', async () => /port (\d+)/.exec(output)?.[1]);
  const url = `http://127.0.0.1:${port}/`;
  await fleet.ask(`mutation { updateWebhook(id: "${createWebhook.webhook.id}", input: { url: "${url}" }) { id } }`);

  await fleet.createTenants({ canary: 'SCHEMA', waiting: 'SCHEMA' });
  await fleet.migrations.add('20270101000000_breaks', 'SELECT 1 / 0');
  const { runMigrations } = await fleet.ask<{ runMigrations: { id: string; status: string } }>(
    'mutation { runMigrations(input: { waves: ["1", "100%"], wait: true }) { id status } }',
  );
  expect(runMigrations.status).toBe('HALTED');
  await eventually('both events are delivered', async () => {
    const rows = await fleet.inCatalog('SELECT FROM webhook_deliveries WHERE delivered_at IS NOT NULL');
    return rows.length === 2;
  });
  expect(slack.requests.map(({ path, body }) => ({ path, body: JSON.parse(body) }))).toEqual([
    {
      path: '/services/T/B/X',
      body: {
        text: `:rotating_light: The migration run ${runMigrations.id} was halted: 1 of 2 tenants failed, 1 were not started. See \`tenantry migrate watch ${runMigrations.id}\`.`,
      },
    },
  ]);

  const forged = await fetch(url, { method: 'POST', body: slack.requests[0]?.body ?? '' });
  expect(forged.status).toBe(401);
});
