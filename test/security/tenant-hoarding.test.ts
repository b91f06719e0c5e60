import { beforeAll, describe, expect, it } from 'vitest';
import { acceptText, codeOf, invitationsOf, type Person, register } from '../support/accounts.ts';
import { tenantOwners } from '../support/tenant-owners.ts';
import { useServer } from '../support/use-server.ts';

const used = useServer({
  DEFAULT_ISOLATION: 'schema',
  OWN_TENANTS: '5',
  SIGN_IN_LIMIT_ADDRESS: '1000',
  TENANT_RETENTION_DAYS: '0',
});
const owners = tenantOwners(() => used.server);

const tenantCount = () =>
  used.app.services.catalog.use(async (client) => {
    const { rows } = await client.query<{ count: number }>('SELECT count(*)::integer FROM tenants');
    return rows[0]?.count;
  });

describe('one account that creates a tenant, makes another owner and leaves, again and again', () => {
  let maker: Person;
  let helper: Person;
  const before: { count: number } = { count: 0 };
  beforeAll(async () => {
    maker = await register(used.server, 'maker@example.com');
    helper = await register(used.server, 'helper@example.com');
    before.count = (await tenantCount()) ?? 0;
  });

  it('has as many tenants as the limit says', async () => {
    let made = 0;
    for (let round = 0; round < 8; round += 1) {
      const slug = `hoard-${round}`;
      const answer = await owners.create(maker, slug);
      if (answer.errors) {
        expect(codeOf(answer)).toBe('FORBIDDEN');
        continue;
      }
      made += 1;
      await owners.addMember(maker, slug, helper.email, 'OWNER', '{ role }');
      const invitation = (await invitationsOf(used.server, helper)).find(({ tenant }) => tenant.slug === slug);
      expect((await used.server.ask(acceptText(invitation?.token ?? ''), helper.headers)).errors).toBeUndefined();
      expect((await owners.leave(maker, slug)).data).toEqual({ removeMember: true });
    }
    expect(made).toBe(5);
    expect(await tenantCount()).toBe(before.count + 5);
  });

  it('has them also when all are asked for at once, and one again when one is deleted', async () => {
    const many = await register(used.server, 'many@example.com');
    const answers = await Promise.all(
      Array.from({ length: 15 }, (_, index) => owners.create(many, `at-once-${index}`)),
    );
    expect(answers.filter(({ errors }) => !errors)).toHaveLength(5);
    const { data } = await used.server.ask('{ viewer { memberships { tenant { slug } } } }', many.headers);
    // What the query asks for.
    const { viewer } = data as { viewer: { memberships: { tenant: { slug: string } }[] } };
    expect((await owners.deleteTenant(many, viewer.memberships[0]?.tenant.slug ?? '')).errors).toBeUndefined();
    expect((await owners.create(many, 'once-more')).errors).toBeUndefined();
    expect(codeOf(await owners.create(many, 'too-many'))).toBe('FORBIDDEN');
  });

  it('that creates and deletes is stopped after some in an hour', async () => {
    const churner = await register(used.server, 'churner@example.com');
    const codes: (string | undefined)[] = [];
    for (let round = 0; round < 22; round += 1) {
      codes.push(codeOf(await owners.create(churner, `churn-${round}`)));
      await owners.deleteTenant(churner, `churn-${round}`);
    }
    expect(codes.filter((code) => code === undefined)).toHaveLength(20);
    expect(codes.slice(20)).toEqual(['RATE_LIMITED', 'RATE_LIMITED']);
  });

  it('is stopped too when it has other accounts at the same address', async () => {
    const before = (await tenantCount()) ?? 0;
    const codes: (string | undefined)[] = [];
    for (let account = 0; account < 13; account += 1) {
      const person = await register(used.server, `puppet-${account}@example.com`);
      for (let round = 0; round < 5; round += 1) {
        codes.push(codeOf(await owners.create(person, `puppet-${account}-${round}`)));
      }
    }
    // The tests above have used up some of the 60 attempts.
    expect(((await tenantCount()) ?? 0) - before).toBeLessThan(60);
    expect(codes.slice(60)).toEqual(Array(5).fill('RATE_LIMITED'));
  });
});
