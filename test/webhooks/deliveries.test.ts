import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isWebhookEventType, payloadSchema } from '../../src/webhooks/events.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { eventIn, verified, WebhookReceiver } from '../support/webhook-receiver.ts';

interface ShownDelivery {
  readonly id: string;
  readonly eventId: string;
  readonly event: string;
  readonly status: string;
  readonly attempts: number;
  readonly statusCode: number | null;
  readonly error: string | null;
}

interface ShownWebhook {
  readonly id: string;
  readonly enabled: boolean;
  readonly disabledReason: string | null;
  readonly failingSince: string | null;
  readonly deliveries: { readonly nodes: readonly ShownDelivery[] };
}

const tenantEvents = '[TENANT_CREATED, TENANT_SUSPENDED, TENANT_ACTIVATED, TENANT_DELETED, TENANT_NEEDS_ATTENTION]';

describe('webhooks', () => {
  let fleet: Fleet;
  let receiver: WebhookReceiver;

  beforeAll(async () => {
    fleet = await Fleet.start({ WEBHOOK_PRIVATE_NETWORKS: 'true' });
    receiver = await WebhookReceiver.start();
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
  });

  const create = async (path: string, events: string) => {
    const { createWebhook } = await fleet.ask<{ createWebhook: { secret: string; webhook: { id: string } } }>(
      `mutation { createWebhook(input: { url: "${receiver.url(path)}", events: ${events} }) { secret webhook { id } } }`,
    );
    return { id: createWebhook.webhook.id, secret: createWebhook.secret };
  };
  const remove = (id: string) => fleet.ask(`mutation { deleteWebhook(id: "${id}") }`);
  const show = async (id: string): Promise<ShownWebhook> => {
    const { webhooks } = await fleet.ask<{ webhooks: ShownWebhook[] }>(
      `{ webhooks { id enabled disabledReason failingSince
           deliveries { nodes { id eventId event status attempts statusCode error } } } }`,
    );
    return webhooks.find((webhook) => webhook.id === id) ?? expect.unreachable();
  };
  const change = (field: string, slug: string) => fleet.ask(`mutation { ${field}(id: "${slug}") { id } }`);
  const until = (path: string, count: number) =>
    eventually(
      () => `${count} requests at ${path}: ${receiver.got(path).join(', ')}`,
      async () => receiver.requests.filter((request) => request.path === path).length >= count,
    );

  it('sends each event of a tenant, signed, in order, with data that fits its schema', async () => {
    const webhook = await create('/life', tenantEvents);
    await fleet.createTenants({ life: 'SCHEMA' });
    await change('suspendTenant', 'life');
    await change('suspendTenant', 'life');
    await change('activateTenant', 'life');
    await fleet.ask('mutation { deleteTenant(id: "life", slug: "life") { id } }');
    await until('/life', 4);
    expect(receiver.got('/life')).toEqual([
      'tenant.created life',
      'tenant.suspended life',
      'tenant.activated life',
      'tenant.deleted life',
    ]);
    const requests = receiver.requests.filter(({ path }) => path === '/life');
    for (const request of requests) {
      const event = verified(webhook.secret, request);
      expect(payloadSchema(isWebhookEventType(event.type) ? event.type : expect.unreachable()).parse(event)).toEqual(
        event,
      );
      expect(() => verified(webhook.secret, { ...request, body: `${request.body} ` })).toThrow();
    }
    const { nodes } = (await show(webhook.id)).deliveries;
    expect(nodes.map(({ eventId }) => eventId)).toEqual(
      requests.map(({ headers }) => headers['webhook-id']).toReversed(),
    );
    expect(nodes).toMatchObject(Array(4).fill({ status: 'DELIVERED', attempts: 1, statusCode: 204, error: null }));
    await remove(webhook.id);
  });

  it('tells of tenants that go into the bin, come back, move and are removed', async () => {
    const events = '[TENANT_DELETED, TENANT_UNDELETED, TENANT_PURGED, TENANT_MOVED, TENANT_SUSPENDED]';
    const webhook = await create('/bin', events);
    await fleet.createTenants({ binned: 'SCHEMA' });
    await fleet.ask('mutation { deleteTenant(id: "binned", slug: "binned") { id } }');
    await change('undeleteTenant', 'binned');
    const { key } = await fleet.tenant('binned');
    for (const now of ['a'.repeat(10), key]) {
      await fleet.inCatalog(`UPDATE tenants SET key = $1 WHERE slug = 'binned'`, [now]);
    }
    await fleet.ask('mutation { deleteTenant(id: "binned", slug: "binned") { id } }');
    await fleet.ask('mutation { deleteTenant(id: "binned", slug: "binned", purge: true) { id } }');
    await until('/bin', 6);
    expect(receiver.got('/bin')).toEqual([
      'tenant.deleted binned',
      'tenant.undeleted binned',
      'tenant.moved binned',
      'tenant.moved binned',
      'tenant.deleted binned',
      'tenant.purged binned',
    ]);
    for (const request of receiver.requests.filter(({ path }) => path === '/bin')) {
      const event = verified(webhook.secret, request);
      expect(payloadSchema(isWebhookEventType(event.type) ? event.type : expect.unreachable()).parse(event)).toEqual(
        event,
      );
    }
    await remove(webhook.id);
  });

  it('tells nobody of a change that was rolled back', async () => {
    const webhook = await create('/rolled-back', tenantEvents);
    await fleet.createTenants({ kept: 'SCHEMA' });
    const session = await fleet.session('auth');
    await session.query('BEGIN');
    await session.query(`UPDATE tenants SET status = 'SUSPENDED' WHERE slug = 'kept'`);
    await session.query('ROLLBACK');
    await change('suspendTenant', 'kept');
    await until('/rolled-back', 2);
    expect(receiver.got('/rolled-back')).toEqual(['tenant.created kept', 'tenant.suspended kept']);
    await remove(webhook.id);
  });

  it('waits for a receiver that is down, and keeps the order', async () => {
    const [down, other] = [await create('/down', '[TENANT_CREATED]'), await create('/other', '[TENANT_CREATED]')];
    await receiver.goDown();
    await fleet.createTenants({ 'first-one': 'SCHEMA', 'second-one': 'SCHEMA' });
    await eventually('a failed attempt', async () => (await show(down.id)).failingSince !== null);
    await fleet.createTenants({ 'third-one': 'SCHEMA' });
    const { nodes } = (await show(down.id)).deliveries;
    expect(nodes.at(-1)).toMatchObject({ status: 'PENDING', statusCode: null });
    expect(nodes.at(-1)?.error).toContain('ECONNREFUSED');
    await receiver.comeBack();
    await until('/down', 3);
    await until('/other', 3);
    const all = ['tenant.created first-one', 'tenant.created second-one', 'tenant.created third-one'];
    expect(receiver.got('/down')).toEqual(all);
    expect(receiver.got('/other')).toEqual(all);
    await eventually('it is well again', async () => (await show(down.id)).failingSince === null);
    await Promise.all([remove(down.id), remove(other.id)]);
  });

  it('repeats a delivery on request, and tries a pending one at once', async () => {
    let status = 500;
    receiver.answer = (response, { path }) => response.writeHead(path === '/again' ? status : 204).end('no');
    const webhook = await create('/again', '[TENANT_CREATED]');
    await fleet.createTenants({ again: 'SCHEMA' });
    const failed = await eventually('a failed attempt', async () => {
      const [delivery] = (await show(webhook.id)).deliveries.nodes;
      return delivery?.error != null && delivery;
    });
    expect(failed).toMatchObject({ statusCode: 500, error: 'The receiver answered with the status 500' });
    // Otherwise it would take an hour.
    await fleet.inCatalog(`UPDATE webhooks SET next_attempt_at = now() + interval '1 hour' WHERE id = $1`, [
      webhook.id,
    ]);
    status = 200;
    await fleet.ask(`mutation { redeliverWebhook(delivery: "${failed.id}") { id } }`);
    await eventually('it is delivered', async () => (await show(webhook.id)).failingSince === null);
    const before = receiver.requests.filter(({ path }) => path === '/again').length;
    const { redeliverWebhook } = await fleet.ask<{ redeliverWebhook: ShownDelivery }>(
      `mutation { redeliverWebhook(delivery: "${failed.id}") { id eventId status } }`,
    );
    expect(redeliverWebhook).toMatchObject({ eventId: failed.eventId, status: 'PENDING' });
    expect(redeliverWebhook.id).not.toBe(failed.id);
    await until('/again', before + 1);
    const [first, last] = [receiver.requests.find(({ path }) => path === '/again'), receiver.requests.at(-1)];
    expect(last?.body).toBe(first?.body);
    expect(last?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(await fleet.refusal('mutation { redeliverWebhook(delivery: "987654321") { id } }')).toMatchObject({
      code: 'NOT_FOUND',
    });
    await remove(webhook.id);
  });

  it('switches off a webhook that has failed for a day, says so, and continues when it is switched on', async () => {
    receiver.answer = (response, { path }) => response.writeHead(path === '/sick' ? 503 : 204).end();
    const webhook = await create('/sick', '[TENANT_CREATED]');
    await fleet.createTenants({ 'before-off': 'SCHEMA' });
    await eventually('a failed attempt', async () => (await show(webhook.id)).failingSince !== null);
    await fleet.inCatalog(
      `UPDATE webhooks SET failing_since = now() - interval '25 hours', next_attempt_at = now() WHERE id = $1`,
      [webhook.id],
    );
    await eventually('it is off', async () => !(await show(webhook.id)).enabled);
    const { disabledReason, deliveries } = await show(webhook.id);
    expect(disabledReason).toBe(
      'It has failed for 24 hours. The last error: The receiver answered with the status 503',
    );
    expect(deliveries.nodes).toMatchObject([{ status: 'PENDING' }]);
    await fleet.createTenants({ 'while-off': 'SCHEMA' });
    expect(await fleet.refusal(`mutation { redeliverWebhook(delivery: "${deliveries.nodes[0]?.id}") { id } }`)).toEqual(
      {
        code: 'CONFLICT',
        message: `The webhook ${webhook.id} is switched off. Enable it with the mutation updateWebhook first.`,
      },
    );
    receiver.requests.length = 0;
    receiver.answer = (response) => response.writeHead(204).end();
    await fleet.ask(`mutation { updateWebhook(id: "${webhook.id}", input: { enabled: true }) { id } }`);
    await fleet.createTenants({ 'after-off': 'SCHEMA' });
    await until('/sick', 2);
    expect(receiver.got('/sick')).toEqual(['tenant.created before-off', 'tenant.created after-off']);
    expect(await show(webhook.id)).toMatchObject({ enabled: true, disabledReason: null, failingSince: null });
    await remove(webhook.id);
  });

  it('switches off a webhook whose receiver is gone', async () => {
    receiver.answer = (response) => response.writeHead(410).end();
    const webhook = await create('/gone', '[TENANT_CREATED]');
    await fleet.createTenants({ gone: 'SCHEMA' });
    await eventually('it is off', async () => !(await show(webhook.id)).enabled);
    expect((await show(webhook.id)).disabledReason).toContain('410');
    await remove(webhook.id);
    receiver.answer = (response) => response.writeHead(204).end();
  });

  it('tells of runs that halt and end, and of tenants that need attention', async () => {
    const webhook = await create('/runs', '[RUN_HALTED, RUN_ENDED, TENANT_NEEDS_ATTENTION]');
    await fleet.createTenants({ canary: 'SCHEMA', behind: 'SCHEMA' });
    await fleet.migrations.addClass(
      '20270101000000_breaks',
      `isTransactional() { return false; }
       up() { this.addSql('CREATE TABLE half (id int)'); this.addSql('SELECT 1 / 0'); }`,
    );
    const { runMigrations } = await fleet.ask<{ runMigrations: { id: string } }>(
      'mutation { runMigrations(input: { tenants: ["canary", "behind"], waves: ["1", "100%"], wait: true }) { id } }',
    );
    await until('/runs', 3);
    expect(receiver.got('/runs')).toEqual(['tenant.needs_attention canary', 'run.halted HALTED', 'run.ended HALTED']);
    const events = receiver.requests.filter(({ path }) => path === '/runs').map(({ body }) => eventIn(body));
    for (const event of events) {
      payloadSchema(isWebhookEventType(event.type) ? event.type : expect.unreachable()).parse(event);
    }
    expect(events.at(-1)?.data.run).toEqual({
      id: runMigrations.id,
      kind: 'UP',
      status: 'HALTED',
      dryRun: false,
      total: 2,
      succeeded: 0,
      failed: 1,
      skipped: 0,
      cancelled: 1,
    });
    await fleet.migrations.remove('20270101000000_breaks');
    await remove(webhook.id);
  });

  it('tells of a restored checkpoint, but not of a copy that is made', async () => {
    await fleet.createTenants({ copied: 'DATABASE' });
    const webhook = await create('/restored', '[CHECKPOINT_RESTORED]');
    const { createCheckpoint } = await fleet.ask<{ createCheckpoint: { id: string; name: string } }>(
      'mutation { createCheckpoint(tenant: "copied", name: "friday") { id name } }',
    );
    await fleet.ask(`mutation { restoreCheckpoint(id: "${createCheckpoint.id}", acceptDataLoss: true) { id } }`);
    await until('/restored', 1);
    const [event] = receiver.requests.filter(({ path }) => path === '/restored').map(({ body }) => eventIn(body));
    expect(payloadSchema('checkpoint.restored').parse(event).data).toMatchObject({
      tenant: { slug: 'copied' },
      checkpoint: createCheckpoint,
    });
    await remove(webhook.id);
  });

  it('keeps nothing of a deleted webhook, and removes old deliveries', async () => {
    expect(await fleet.inCatalog('SELECT FROM webhooks')).toEqual([]);
    expect(await fleet.inCatalog('SELECT FROM webhook_deliveries')).toEqual([]);
  });
});
