import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

// A public address. Nothing is sent to it, because no process delivers events.
const url = 'https://93.184.215.14/hook';

describe('webhooks', () => {
  let postgres: TestPostgres;
  let app: TestApp;

  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    app = await startTestApp({ ...postgres.env, WORKER: 'off' });
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  const sql = async (text: string) =>
    (await app.services.catalog.use((client) => client.query<Record<string, string>>(text))).rows;
  const create = (input = '') =>
    app.ask(
      `mutation { createWebhook(input: { url: "${url}", events: [RUN_ENDED], ${input} }) { webhook { id } } }`,
      app.admin,
    );

  it('are changed, and what is left out stays', async () => {
    const { data } = await create('description: "on call"');
    const { id } = (data as { createWebhook: { webhook: { id: string } } }).createWebhook.webhook;
    const update = (input: string) =>
      app.ask(
        `mutation { updateWebhook(id: "${id}", input: { ${input} }) { url events description enabled disabledReason } }`,
        app.admin,
      );
    const webhook = { url, events: ['RUN_ENDED'], description: 'on call', enabled: true, disabledReason: null };
    expect((await update('')).data).toEqual({ updateWebhook: webhook });
    const events = ['DRIFT_FOUND', 'RUN_HALTED'];
    expect((await update('events: [DRIFT_FOUND, RUN_HALTED, DRIFT_FOUND], enabled: false')).data).toEqual({
      updateWebhook: { ...webhook, events, enabled: false },
    });
    for (const input of ['events: []', 'url: "https://10.0.0.1/"', 'description: "two\\nlines"']) {
      expect((await update(input)).errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT');
    }
    expect((await update('')).data).toEqual({ updateWebhook: { ...webhook, events, enabled: false } });
    await app.ask(`mutation { deleteWebhook(id: "${id}") }`, app.admin);
    expect((await update('')).errors?.[0]?.extensions.code).toBe('NOT_FOUND');
  });

  it('are at most twenty, however many are created at once', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, () => create()));
    const codes = answers.map(({ errors }) => errors?.[0]?.extensions.code ?? 'OK').sort();
    expect(codes).toEqual([...Array(10).fill('CONFLICT'), ...Array(20).fill('OK')]);
    const { data } = await app.ask(
      '{ webhooks { id url events description enabled disabledReason failingSince nextAttemptAt createdAt deliveries { totalCount nodes { id event status } } } }',
      app.admin,
    );
    expect((data as { webhooks: unknown[] }).webhooks).toHaveLength(20);
    await sql('DELETE FROM webhooks');
  });

  it('keep their deliveries for WEBHOOK_RETENTION_DAYS', async () => {
    await create();
    await sql(`UPDATE webhooks SET is_enabled = false`);
    await sql(
      `INSERT INTO webhook_deliveries (webhook_id, event_id, event, payload, created_at)
       SELECT id, gen_random_uuid(), 'run.ended', '{}', now() - make_interval(days => days) FROM webhooks, generate_series(0, 9) days`,
    );
    await using _worker = await startTestApp({ ...postgres.env, WEBHOOK_RETENTION_DAYS: '3' });
    await eventually('the old ones are gone', async () => {
      const [{ count } = { count: '' }] = await sql('SELECT count(*)::text FROM webhook_deliveries');
      return count === '3';
    });
  });

  it('hold up no change of a tenant while they are deleted with many deliveries', async () => {
    await sql('DELETE FROM webhooks');
    const ask = async (text: string) => expect((await app.ask(text, app.admin)).errors).toBeUndefined();
    await ask('mutation { createTenant(input: { slug: "told", name: "x", isolation: SCHEMA }) { id } }');
    await create();
    await sql(`UPDATE webhooks SET events = '{tenant.suspended}'`);
    await sql(
      `INSERT INTO webhook_deliveries (webhook_id, event_id, event, payload)
       SELECT id, gen_random_uuid(), 'run.ended', '{}' FROM webhooks`,
    );
    const [{ id } = { id: '' }] = await sql('SELECT id FROM webhooks');
    await app.services.catalog.use(async (other) => {
      // The deletion takes until this ends.
      await other.query('BEGIN; SELECT FROM webhook_deliveries FOR UPDATE');
      const deleted = ask(`mutation { deleteWebhook(id: "${id}") }`);
      await eventually('the deletion is under way', async () => {
        const waiting = await sql(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return waiting.length > 0;
      });
      await ask('mutation { suspendTenant(id: "told") { id } }');
      await other.query('ROLLBACK');
      await deleted;
    });
    expect(await sql('SELECT FROM webhooks')).toEqual([]);
  });
});
