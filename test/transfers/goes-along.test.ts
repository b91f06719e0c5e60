import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { join } from '../support/accounts.ts';
import { type Listening, listen } from '../support/listen.ts';
import { startTransferLab, type TransferLab } from './transfer-lab.ts';

interface Event {
  readonly seq: number;
  readonly kind: string;
}

describe('with a tenant that moves', () => {
  let lab: TransferLab;
  let http: Listening;
  beforeAll(async () => {
    lab = await startTransferLab();
    http = await listen(lab.app.yoga);
  });
  afterAll(async () => {
    await http?.[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  it.each(['DATABASE', 'SCHEMA'] as const)('and has a %s go its members, who stay signed in', async (isolation) => {
    const slug = `members-${isolation.toLowerCase()}`;
    await lab.createTenant(slug, isolation);
    await lab.addProducts(slug, 'one');
    const owner = await join(lab.app, `owner@${slug}.example`, slug, 'OWNER');
    const member = await join(lab.app, `member@${slug}.example`, slug, 'MEMBER');
    const members = `{ tenant(slug: "${slug}") { members(first: 10) { role user { email } } } }`;
    const before = await lab.ask(members);
    expect(JSON.stringify(before)).toContain(member.email);
    expect(await lab.ended(await lab.move(slug, 'server: "b"'))).toMatchObject({ status: 'SUCCEEDED' });
    expect(await lab.ask(members)).toEqual(before);
    for (const [{ headers }, role] of [
      [owner, 'OWNER'],
      [member, 'MEMBER'],
    ] as const) {
      expect(await lab.ask('{ viewer { role tenant { slug } } products { totalCount } }', headers)).toEqual({
        viewer: { role, tenant: { slug } },
        products: { totalCount: 1 },
      });
    }
    // What the owner may do by the role is asked of the database at the new place.
    expect(await lab.ask('mutation { emptyShelves }', owner.headers)).toEqual({ emptyShelves: 1 });
    expect(await lab.failure('mutation { emptyShelves }', member.headers)).toMatchObject({ code: 'FORBIDDEN' });
  });

  it.each(['DATABASE', 'SCHEMA'] as const)(
    'and has a %s go its checkpoints, which bring it back where it is then',
    async (isolation) => {
      const slug = `checkpoints-${isolation.toLowerCase()}`;
      await lab.createTenant(slug, isolation);
      await lab.addProducts(slug, 'before');
      const made = await lab.ask(`mutation { createCheckpoint(tenant: "${slug}") { id } }`);
      const { id } = made.createCheckpoint as { id: string };
      await lab.addProducts(slug, 'after');
      expect(await lab.ended(await lab.move(slug, 'server: "b", keepHours: 0'))).toMatchObject({ status: 'SUCCEEDED' });
      expect(await lab.ask(`{ checkpoints(tenant: "${slug}") { id } }`)).toEqual({ checkpoints: [{ id }] });
      await lab.ask(`mutation { restoreCheckpoint(id: "${id}", acceptDataLoss: true) { id } }`);
      expect(await lab.skusOf(slug)).toEqual(['before']);
      expect(await lab.placementOf(slug)).toMatchObject({ status: 'ACTIVE', isolation, placement: { server: 'b' } });
      expect(await lab.findings()).toEqual([]);
    },
  );

  it('come events, which a client that lost its connection reads from where it was', async () => {
    await lab.createTenant('watched', 'SCHEMA');
    const transfer = await lab.move('watched', 'isolation: DATABASE');
    const follow = async (after: number, count = Number.POSITIVE_INFINITY) => {
      const text = `subscription { tenantTransferProgress(transfer: "${transfer}", after: ${after}) { seq kind } }`;
      const events: Event[] = [];
      const lost = new AbortController();
      for await (const { data } of http.subscribe<{ tenantTransferProgress: Event }>(
        text,
        lab.app.admin,
        lost.signal,
      )) {
        if (data) events.push(data.tenantTransferProgress);
        if (events.length >= count) break;
      }
      return events;
    };
    const first = await follow(0, 2);
    expect(first.map(({ seq }) => seq)).toEqual([1, 2]);
    const rest = await follow(2);
    const all = await follow(0);
    expect([...first, ...rest]).toEqual(all);
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, index) => index + 1));
    expect(all.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['CREATED', 'STARTED', 'PAUSED', 'TARGET_CREATED', 'COPIED', 'SWITCHING', 'SUCCEEDED']),
    );
    expect(all.at(-1)?.kind).toBe('SUCCEEDED');
    // A transfer that has ended has no more of them, and says so at once.
    expect(await follow(all.length)).toEqual([]);
  });
});
