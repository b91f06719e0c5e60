import { beforeAll, describe, expect, it } from 'vitest';
import { codeOf, invitationsOf, type Person, register } from '../support/accounts.ts';
import { tenantOwners } from '../support/tenant-owners.ts';
import { useServer } from '../support/use-server.ts';

const used = useServer({ DEFAULT_ISOLATION: 'schema', INVITATION_LIMIT: '60', SIGN_IN_LIMIT_ADDRESS: '1000' });
const owners = tenantOwners(() => used.server);

describe('an owner who asks about addresses', () => {
  let spy: Person;
  beforeAll(async () => {
    spy = await register(used.server, 'spy@example.com');
    await owners.create(spy, 'lookout');
  });

  /** An answer without what differs between any two invitations. */
  const shapeOf = (answer: unknown, email: string) =>
    JSON.stringify(answer)
      .replaceAll(email, 'the address')
      .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'an id')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'a time');

  it('gets the same answers and the same list, whether or not there is an account, and whether it declined', async () => {
    const known = await register(used.server, 'known@example.com');
    const declining = await register(used.server, 'declining@example.com');
    const off = await register(used.server, 'inactive@example.com');
    await used.server.ask(`mutation { setUserActive(user: "${off.id}", active: false) { id } }`, used.app.admin);
    const addresses = ['nobody@example.com', known.email, declining.email, off.email];
    const fields = '{ id email role token invitedBy createdAt expiresAt tenant { slug name } }';
    const shapes = new Set<string>();
    for (const email of addresses) {
      const pending = await owners.addMember(
        spy,
        'lookout',
        email,
        'OWNER',
        '{ role isPending user { id email name } }',
      );
      const invitation = await owners.inviteMember(spy, 'lookout', email, 'MEMBER', fields);
      expect(pending.errors ?? invitation.errors).toBeUndefined();
      if (email === declining.email) {
        const [{ token } = { token: '' }] = await invitationsOf(used.server, declining);
        await used.server.ask(`mutation { declineInvitation(token: "${token}") }`, declining.headers);
      }
      const list = await used.server.ask(`{ invitations(tenant: "lookout") ${fields} }`, spy.headers);
      // What the query asks for.
      const { invitations } = list.data as { invitations: { email: string }[] };
      const listed = invitations.filter((one) => one.email === email);
      expect(listed).toHaveLength(1);
      shapes.add(shapeOf([pending, invitation, listed], email));
      expect(JSON.stringify([pending, invitation, list])).not.toContain(known.id);
    }
    expect([...shapes]).toHaveLength(1);
  });

  it('learns nothing by the columns that a pending membership lacks', async () => {
    const answer = await owners.addMember(spy, 'lookout', 'known@example.com', 'MEMBER', '{ user { active } }');
    expect(codeOf(answer)).toBe('FORBIDDEN');
  });

  it('is stopped after some invitations in an hour', async () => {
    const codes: (string | undefined)[] = [];
    for (let count = 0; count < 60; count += 1) {
      const answer = await owners.inviteMember(spy, 'lookout', `guess-${count}@example.com`, 'MEMBER', '{ id }');
      codes.push(codeOf(answer));
    }
    expect(codes.at(-1)).toBe('RATE_LIMITED');
    expect(new Set(codes)).toEqual(new Set([undefined, 'RATE_LIMITED']));
  });
});
