import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recoverTenants } from '../../src/tenants/recover.ts';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { seededRandom } from '../support/seeded-random.ts';

const ROUNDS = 20;

/** What a loser may be told, with the code. */
const sentences = [
  /^CONFLICT The tenant SLUG is being removed for good(, so it cannot be brought back)?$/,
  /^CONFLICT The tenant SLUG is being brought back (already|by the migration run \S+)\. Wait .*\.$/,
  /^CONFLICT The tenant SLUG is not deleted: it is ACTIVE$/,
  /^TENANT_NOT_FOUND (The tenant SLUG has been removed for good|There is no tenant SLUG)$/,
];

describe('bringing a tenant back and removing it for good at once', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start();
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  const send = async (mutation: string) => {
    const { errors } = await fleet.http.ask(`mutation { ${mutation} { status } }`, fleet.app.admin);
    return errors?.[0];
  };

  it('tells everyone who loses what becomes of the tenant', async () => {
    const random = seededRandom(1);
    const wrong: string[] = [];
    const winners = new Set<string>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const slug = `race-${round}`;
      await fleet.createTenants({ [slug]: round % 2 === 0 ? 'SCHEMA' : 'DATABASE' });
      await send(`deleteTenant(id: "${slug}", slug: "${slug}")`);
      const purge = `deleteTenant(id: "${slug}", slug: "${slug}", purge: true)`;
      const undelete = `undeleteTenant(id: "${slug}")`;
      // Without that, the removal would always win: it needs fewer statements.
      const delayMs = round % 4 < 2 ? 0 : random.int(20, 120);
      const errors = await Promise.all([
        ...[undelete, undelete].map(send),
        ...[purge, purge].map(async (mutation) => {
          await sleep(delayMs);
          return send(mutation);
        }),
      ]);
      for (const error of errors) {
        if (!error) continue;
        const said = `${error.extensions.code} ${error.message.replaceAll(slug, 'SLUG')}`;
        if (!sentences.some((sentence) => sentence.test(said))) wrong.push(said);
      }
      const status = await eventually('it is settled', async () => {
        await recoverTenants(fleet.app.services.provisioning);
        const { tenant } = await fleet.ask<{ tenant: { status: string } | null }>(
          `{ tenant(slug: "${slug}") { status } }`,
        );
        return ['ACTIVE', undefined].includes(tenant?.status) ? `${tenant?.status}` : undefined;
      });
      const [undeleted, purged] = [errors.slice(0, 2), errors.slice(2)].map(
        (all) => all.filter((error) => !error).length,
      );
      winners.add(undeleted === 1 ? 'undeleteTenant' : 'deleteTenant');
      // It may also be brought back first, and removed then.
      if (status === 'ACTIVE') expect({ undeleted, purged }).toEqual({ undeleted: 1, purged: 0 });
      else expect(purged).toBe(1);
    }
    expect(wrong).toEqual([]);
    expect([...winners].sort()).toEqual(['deleteTenant', 'undeleteTenant']);
  });
});
