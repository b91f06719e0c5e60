import { beforeAll, describe, expect, it } from 'vitest';
import { acceptText, codeOf, invitationsOf, login, type Person, register } from '../support/accounts.ts';
import { tenantOwners } from '../support/tenant-owners.ts';
import { useServer } from '../support/use-server.ts';

const used = useServer({ DEFAULT_ISOLATION: 'schema', OWN_TENANTS: '5', SIGN_IN_LIMIT_ADDRESS: '1000' });
const owners = tenantOwners(() => used.server);

describe('a stranger who makes a victim owner of five tenants and tries to leave', () => {
  let stranger: Person;
  let victim: Person;
  const slugs = ['trap-1', 'trap-2', 'trap-3', 'trap-4', 'trap-5'];
  beforeAll(async () => {
    stranger = await register(used.server, 'stranger@example.com');
    victim = await register(used.server, 'victim@example.com');
    expect((await owners.create(victim, 'victims-own')).errors).toBeUndefined();
    for (const slug of slugs) {
      expect((await owners.create(stranger, slug)).errors).toBeUndefined();
      const { errors } = await owners.addMember(stranger, slug, victim.email, 'OWNER');
      expect(errors).toBeUndefined();
    }
  });

  it('cannot leave, for nobody else owns them', async () => {
    for (const slug of slugs) {
      const answer = await owners.leave(stranger, slug);
      expect(codeOf(answer)).toBe('CONFLICT');
      expect(answer.errors?.[0]?.message).toMatch(/setMemberRole.*deleteTenant/);
    }
  });

  it('leaves the victim with one tenant, named by login, and free to create more', async () => {
    const { data } = await used.server.ask('{ viewer { memberships { role tenant { slug } } } }', victim.headers);
    expect(data).toEqual({ viewer: { memberships: [{ role: 'OWNER', tenant: { slug: 'victims-own' } }] } });
    const inside = await login(used.server, victim.email);
    expect((await used.server.ask('{ viewer { tenant { slug } } }', inside.headers)).data).toEqual({
      viewer: { tenant: { slug: 'victims-own' } },
    });
    for (const slug of ['victims-2', 'victims-3', 'victims-4', 'victims-5']) {
      expect((await owners.create(victim, slug)).errors).toBeUndefined();
    }
  });

  it('does not let the victim into anything before they accept', async () => {
    const switching = await used.server.ask<Record<string, unknown>>(
      'mutation { switchTenant(tenant: "trap-1") { token } }',
      victim.headers,
    );
    expect(codeOf(switching)).toBe('FORBIDDEN');
    expect(codeOf(await owners.deleteTenant(victim, 'trap-1'))).toBe('TENANT_NOT_FOUND');
  });

  it('does not trap a victim who accepts: they decline the rest, leave, or delete', async () => {
    const invitations = await invitationsOf(used.server, victim);
    expect(invitations.map(({ tenant }) => tenant.slug).sort()).toEqual(slugs);
    for (const { token, tenant } of invitations) {
      const answer =
        tenant.slug <= 'trap-2'
          ? await used.server.ask(acceptText(token), victim.headers)
          : await used.server.ask(`mutation { declineInvitation(token: "${token}") }`, victim.headers);
      expect(answer.errors).toBeUndefined();
    }
    expect((await owners.leave(victim, 'trap-1')).data).toEqual({ removeMember: true });
    expect((await owners.leave(stranger, 'trap-2')).data).toEqual({ removeMember: true });
    expect(codeOf(await owners.leave(victim, 'trap-2'))).toBe('CONFLICT');
    expect((await owners.deleteTenant(victim, 'trap-2')).data).toEqual({ deleteTenant: { slug: 'trap-2' } });
    const { data } = await used.server.ask(
      '{ viewer { invitations { id } memberships { tenant { slug } } } }',
      victim.headers,
    );
    expect(JSON.stringify(data)).not.toContain('trap');
  });
});
