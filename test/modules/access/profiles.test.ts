import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logStatements } from '../../../src/postgres/sql/log-statements.ts';
import { codeOf, type Person } from '../../support/accounts.ts';
import { captureLog } from '../../support/log-lines.ts';
import { startTenantLab, TenantLab } from './tenant-lab.ts';

describe('a member', () => {
  let lab: TenantLab & AsyncDisposable;
  let ada: Person;
  const sent = captureLog();
  beforeAll(async () => {
    logStatements(sent.log);
    lab = await startTenantLab();
    ada = await lab.person('MEMBER');
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const update = (person: Person, input: string) =>
    lab.app.ask(
      `mutation { updateProfile(input: { ${input} }) { displayName jobTitle roles { name } } }`,
      person.headers,
    );

  it('says what he is called in a tenant, to all who are in it', async () => {
    const roles = [{ name: 'member' }];
    expect((await update(ada, 'displayName: " Ada ", jobTitle: "Chef"')).data).toEqual({
      updateProfile: { displayName: 'Ada', jobTitle: 'Chef', roles },
    });
    expect((await update(ada, 'displayName: "Countess"')).data).toMatchObject({
      updateProfile: { displayName: 'Countess', jobTitle: 'Chef' },
    });
    expect((await update(ada, 'jobTitle: null')).data).toMatchObject({ updateProfile: { jobTitle: null } });
    const colleague = await lab.person('ADMIN');
    const query = `{ memberProfiles(users: ["${ada.id}", "${colleague.id}"]) { user displayName roles { name } } }`;
    expect((await lab.app.ask(query, colleague.headers)).data).toEqual({
      memberProfiles: [
        { user: ada.id, displayName: 'Countess', roles },
        { user: colleague.id, displayName: null, roles: [{ name: 'admin' }] },
      ],
    });
  });

  it('has a profile in each tenant', async () => {
    const other = await TenantLab.create(lab.app, 'globex');
    const both = await lab.person('MEMBER');
    await update(both, 'displayName: "Of acme"');
    const input = `{ tenant: "${other.slug}", email: "${both.email}", role: MEMBER }`;
    await lab.app.ask(`mutation { addMember(input: ${input}) { role } }`, lab.app.admin);
    const query = `{ memberProfiles(users: ["${both.id}"]) { displayName } }`;
    const inside = { ...lab.app.admin, 'x-tenant': other.slug };
    expect((await lab.app.ask(query, inside)).data).toEqual({ memberProfiles: [{ displayName: null }] });
  });

  it('is not called what cannot be shown on a line', async () => {
    for (const name of ['two\\nlines', 'x'.repeat(201), 'zero \\u0000', 'half \\ud800']) {
      expect(codeOf(await update(ada, `displayName: "${name}"`)), name).toBe('BAD_USER_INPUT');
    }
  });

  it('is looked up with 100 others at most', async () => {
    const users = JSON.stringify(Array.from({ length: 101 }, () => ada.id));
    expect(codeOf(await lab.app.ask(`{ memberProfiles(users: ${users}) { user } }`, ada.headers))).toBe(
      'BAD_USER_INPUT',
    );
  });

  it('costs one query for all that is asked about permissions for some seconds, and none if nothing is asked', async () => {
    const inTenant = () => sent.text().match(/"sql":"[^\n]*tenant_[0-9a-z]{10}/g)?.length ?? 0;
    const before = inTenant();
    await lab.app.ask('{ viewer { role } }', ada.headers);
    expect(inTenant() - before).toBe(0);
    expect(codeOf(await lab.app.ask('mutation { deleteRole(role: "x") }', ada.headers))).toBe('FORBIDDEN');
    expect(inTenant() - before).toBe(1);
    await lab.app.ask('{ a: viewer { permissions } b: viewer { permissions } }', ada.headers);
    expect(inTenant() - before).toBe(1);
  });
});
