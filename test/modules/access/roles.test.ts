import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, login, type Person, password } from '../../support/accounts.ts';
import { openTestApp } from '../../support/start-app.ts';
import { startTenantLab, TenantLab } from './tenant-lab.ts';

describe('roles', () => {
  let lab: TenantLab & AsyncDisposable;
  let owner: Person;
  let admin: Person;
  beforeAll(async () => {
    lab = await startTenantLab();
    [owner, admin] = [await lab.person('OWNER'), await lab.person('ADMIN')];
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  /** A new role that only has `things:write`. */
  let role: string;
  let roles = 0;
  beforeEach(async () => {
    roles += 1;
    const { data } = await lab.createRole(owner, `role-${roles}`, ['things:write']);
    role = (data?.createRole as { id: string } | undefined)?.id ?? expect.unreachable('no role was made');
  });

  it.each(['DATABASE', 'SCHEMA'])('are there from the beginning in a tenant of isolation %s', async (isolation) => {
    const slug = `new-${isolation.toLowerCase()}`;
    const input = `{ slug: "${slug}", name: "x", isolation: ${isolation} }`;
    await lab.app.ask(`mutation { createTenant(input: ${input}) { id } }`, lab.app.admin);
    const query = '{ roles { totalCount nodes { name isBuiltIn permissions { name } members { user } } } }';
    const { data } = await lab.app.ask(query, { ...lab.app.admin, 'x-tenant': slug });
    const manages = { permissions: expect.arrayContaining([{ name: 'roles:write' }]) };
    expect(data?.roles).toMatchObject({
      totalCount: 3,
      nodes: [
        { name: 'admin', isBuiltIn: true, members: [], ...manages },
        { name: 'member', isBuiltIn: true, permissions: expect.not.arrayContaining([{ name: 'roles:write' }]) },
        { name: 'owner', isBuiltIn: true, ...manages },
      ],
    });
  });

  it('come with the membership, and change with it', async () => {
    const person = await lab.person('MEMBER');
    expect(await lab.permissions(person)).not.toContain('things:write');
    expect(await lab.permissions(admin)).toEqual(expect.arrayContaining(['roles:write', 'things:write']));
    const set = `mutation { setMemberRole(tenant: "acme", user: "${person.id}", role: ADMIN) { role } }`;
    await lab.app.ask(set, owner.headers);
    await vi.waitFor(async () => expect(await lab.permissions(person)).toContain('things:write'), 3_000);
  });

  it('are assigned to members, several to one, and taken from them', async () => {
    const person = await lab.person('MEMBER');
    const before = await lab.permissions(person);
    const other = await lab.createRole(owner, `other-${roles}`, ['roles:write']);
    const otherId = (other.data?.createRole as { id: string } | undefined)?.id ?? '';
    const builtIn = { name: 'member' };
    expect((await lab.assign(admin, role, person.id)).data).toEqual({
      assignRole: { roles: [builtIn, { name: `role-${roles}` }] },
    });
    await lab.assign(admin, otherId, person.id.toUpperCase());
    expect(await lab.permissions(person)).toEqual([...(before as string[]), 'roles:write', 'things:write'].sort());
    const who = await lab.app.ask('{ roles { nodes { name members { user } } } }', person.headers);
    expect(who.data?.roles).toMatchObject({
      nodes: expect.arrayContaining([{ name: `role-${roles}`, members: [{ user: person.id }] }]),
    });
    expect(await lab.unassign(admin, role, person.id)).toEqual({ data: { unassignRole: true } });
    expect(await lab.unassign(admin, role, person.id)).toEqual({ data: { unassignRole: false } });
    expect(await lab.deleteRole(admin, otherId)).toEqual({ data: { deleteRole: true } });
    expect(await lab.permissions(person)).toEqual(before);
  });

  it('change at once on this server, and soon on others', async () => {
    const person = await lab.person('MEMBER');
    await using other = await openTestApp(lab.app.services.config);
    const permissionsThere = async () =>
      (await other.ask('{ viewer { permissions } }', person.headers)).data?.viewer as { permissions: string[] };
    expect(await permissionsThere()).toEqual({ permissions: await lab.permissions(person) });
    await lab.assign(owner, role, person.id);
    expect(await lab.permissions(person)).toContain('things:write');
    await vi.waitFor(async () => expect((await permissionsThere()).permissions).toContain('things:write'), 4_000);
  });

  it('change for all who have them', async () => {
    const person = await lab.person('MEMBER');
    await lab.assign(owner, role, person.id);
    const changed = await lab.updateRole(owner, role, 'description: " Of things ", permissions: []');
    expect(changed.data).toEqual({ updateRole: { name: `role-${roles}`, description: 'Of things', permissions: [] } });
    expect(await lab.permissions(person)).not.toContain('things:write');
    const renamed = await lab.updateRole(owner, role, `name: "renamed-${roles}"`);
    expect(renamed.data).toMatchObject({ updateRole: { name: `renamed-${roles}`, description: 'Of things' } });
  });

  it('have permissions that there are, and names that are free', async () => {
    const unknown = await lab.createRole(owner, 'careless', ['things:wriet']);
    expect(unknown.errors?.[0]).toMatchObject({
      message: expect.stringMatching(
        /^There is no permission "things:wriet"\. The permissions are: .*roles:write, .*things:write/,
      ),
      extensions: { code: 'BAD_USER_INPUT', field: 'permissions' },
    });
    expect(codeOf(await lab.updateRole(owner, role, 'permissions: ["nothing"]'))).toBe('BAD_USER_INPUT');
    for (const name of ['', 'Upper', '1st', 'two words', 'x'.repeat(51), 'ümlaut', 'owner\\u0000']) {
      expect(codeOf(await lab.createRole(owner, name, [])), name).toBe('BAD_USER_INPUT');
    }
    for (const taken of [`role-${roles}`, 'owner', 'admin', 'member']) {
      expect(codeOf(await lab.createRole(owner, taken, []))).toBe('CONFLICT');
      expect(codeOf(await lab.createRole(owner, taken.toUpperCase(), []))).toBe('BAD_USER_INPUT');
    }
    expect(codeOf(await lab.updateRole(owner, role, 'name: "admin"'))).toBe('CONFLICT');
  });

  it('that are built in keep their names, are not deleted and not assigned; that of owners stays as it is', async () => {
    const { app } = lab;
    for (const by of [owner, { headers: { ...app.admin, 'x-tenant': 'acme' } }]) {
      for (const name of ['owner', 'admin', 'member']) {
        const id = await lab.roleId(name);
        expect(codeOf(await lab.updateRole(by, id, 'name: "other"'))).toBe('CONFLICT');
        expect(codeOf(await lab.deleteRole(by, id))).toBe('CONFLICT');
        expect(codeOf(await lab.assign(by, id, admin.id))).toBe('CONFLICT');
        expect(codeOf(await lab.unassign(by, id, admin.id))).toBe('CONFLICT');
      }
      expect(codeOf(await lab.updateRole(by, await lab.roleId('owner'), 'permissions: []'))).toBe('CONFLICT');
    }
    expect(await lab.permissions(owner)).toContain('roles:write');
  });

  it('of platform admins in a tenant are all, also where its own admins have none', async () => {
    const bare = await TenantLab.create(lab.app, 'bare');
    await bare.sql('DELETE FROM role_permissions');
    const inside = { headers: { ...lab.app.admin, 'x-tenant': 'bare' } };
    expect(await bare.permissions(inside)).toEqual(expect.arrayContaining(['roles:write', 'things:write']));
    expect(
      codeOf(await bare.updateRole(inside, await bare.roleId('admin'), 'permissions: ["roles:write"]')),
    ).toBeUndefined();
    expect(await bare.permissions(await bare.person('ADMIN'))).toEqual(['roles:write']);
  });

  it('can come from a token whose claims are believed, by their names, but for built-in ones', async () => {
    const permissions = async (claim: string) => {
      const token = await lab.app.services.tokens.issue({ tenant: 'acme', role: claim, expiresIn: '1h' });
      return lab.permissions({ headers: { authorization: `Bearer ${token}` } });
    };
    const plain = await permissions('MEMBER');
    expect(await permissions(`role-${roles}`)).toEqual([...(plain as string[]), 'things:write'].sort());
    for (const claim of ['owner', 'admin', 'authenticated', '%', "' OR true --"]) {
      expect(await permissions(claim), claim).toEqual(plain);
    }
    expect(await permissions('OWNER')).toContain('roles:write');
  });

  it('end with the membership: who comes back does not have them any more', async () => {
    const person = await lab.person('MEMBER');
    await lab.assign(owner, role, person.id);
    await lab.app.ask(`mutation { removeMember(tenant: "acme", user: "${person.id}") }`, owner.headers);
    expect(codeOf(await lab.assign(owner, role, person.id))).toBe('NOT_FOUND');
    const members = () => lab.app.ask('{ roles { nodes { name members { user } } } }', owner.headers);
    expect(JSON.stringify(await members())).not.toContain(person.id);
    const input = `{ tenant: "acme", email: "${person.email}", role: MEMBER }`;
    await lab.app.ask(`mutation { addMember(input: ${input}) { role } }`, lab.app.admin);
    const again = await login(lab.app, person.email, password, 'acme');
    await vi.waitFor(async () => expect(await lab.permissions(again)).toBeDefined(), 3_000);
    expect(await lab.permissions(again)).not.toContain('things:write');
    expect(JSON.stringify(await members())).not.toContain(person.id);
    await lab.assign(owner, role, person.id);
    expect(await lab.permissions(again)).toContain('things:write');
  });

  it('list a full page of those who have them, however many of the others have left', async () => {
    const people = await Promise.all(Array.from({ length: 5 }, () => lab.person('MEMBER')));
    const ids = people.map(({ id }) => id).sort();
    for (const id of ids) await lab.assign(owner, role, id);
    const page = async (args: string) => {
      const { data } = await lab.app.ask(
        `{ roles(first: 100) { nodes { id members(${args}) { user } } } }`,
        owner.headers,
      );
      // What the query asks for.
      const { nodes } = (data?.roles ?? {}) as { nodes: { id: string; members: { user: string }[] }[] };
      return nodes.find(({ id }) => id === role)?.members.map(({ user }) => user);
    };
    expect(await page('first: 2')).toEqual(ids.slice(0, 2));
    for (const id of ids.slice(0, 3)) {
      await lab.app.ask(`mutation { removeMember(tenant: "acme", user: "${id}") }`, owner.headers);
    }
    expect(await page('first: 1')).toEqual(ids.slice(3, 4));
    expect(await page('first: 3')).toEqual(ids.slice(3));
    expect(await page(`first: 1, after: "${ids[0]}"`)).toEqual(ids.slice(3, 4));
    expect(await page(`first: 1, after: "${ids[3]}"`)).toEqual(ids.slice(4));
  });

  it('are in the audit log when anybody changes them, including refused changes', async () => {
    const person = await lab.person('MEMBER');
    await lab.assign(admin, role, person.id);
    await lab.deleteRole(person, role);
    const fields = 'nodes { actor action outcome tenant { slug } details }';
    const { data } = await lab.app.ask(`{ auditLog(first: 2, tenant: "acme") { ${fields} } }`, lab.app.admin);
    expect(data?.auditLog).toEqual({
      nodes: [
        expect.objectContaining({ actor: person.email, action: 'deleteRole', outcome: 'FORBIDDEN' }),
        {
          actor: admin.email,
          action: 'assignRole',
          outcome: 'OK',
          tenant: { slug: 'acme' },
          details: JSON.stringify({ role, user: person.id }),
        },
      ],
    });
  });
});
