import { expect, it } from 'vitest';
import { idArguments, type Prepare, testForeignIds } from '../support/foreign-ids.ts';
import { platformIds } from '../support/platform-ids.ts';
import { buildTestSchema } from '../support/product.ts';

it('arguments that take an id are all in the table of this test', async () => {
  expect(Object.keys(platformIds)).toEqual(expect.arrayContaining(idArguments(await buildTestSchema())));
});

/** A webhook, a run, a checkpoint and an invitation of the other tenant. */
const prepare: Prepare = async (app) => {
  const ask = async (text: string) => {
    const { data, errors } = await app.ask(`mutation { answer: ${text} { id } }`, app.admin);
    expect(errors).toBeUndefined();
    // What this mutation asks for.
    const { id } = (data?.answer ?? {}) as { id: string };
    return id;
  };
  await ask('createTenant(input: { slug: "copied", name: "x", isolation: DATABASE })');
  const { webhooks, catalog } = app.services;
  const { webhook } = await webhooks.create({ url: 'https://93.184.215.14/', events: ['run.ended'] });
  // While it is off, nothing is sent to it and its rows stay as they are.
  await webhooks.update(webhook.id, { enabled: false });
  const delivery = '987654321';
  await catalog.use((client) =>
    client.query(
      `INSERT INTO webhook_deliveries (id, webhook_id, event_id, event, payload) OVERRIDING SYSTEM VALUE
       VALUES ($1, $2, gen_random_uuid(), 'run.ended', '{}')`,
      [delivery, webhook.id],
    ),
  );
  return {
    webhook: webhook.id,
    delivery,
    run: await ask('runMigrations(input: { tenants: ["theirs"], wait: true })'),
    checkpoint: await ask('createCheckpoint(tenant: "copied")'),
    invitation: await ask('inviteMember(input: { tenant: "theirs", email: "somebody@example.com", role: MEMBER })'),
  };
};

testForeignIds(platformIds, prepare);
