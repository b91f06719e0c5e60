import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { permissionsOf } from '../../src/installation/product.ts';
import { PermissionCache } from '../../src/routing/permission-cache.ts';
import type { PermissionsOf, TenantMember } from '../../src/routing/permissions.ts';
import { product } from '../fixture/product.ts';
import { codeOf, loginText, register } from '../support/accounts.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('permissions', () => {
  let app: TestApp;
  /** Whom the modules were asked about. */
  let asked: TenantMember[];
  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema' });
    await app.ask('mutation { createTenant(input: { slug: "acme", name: "Acme" }) { id } }', app.admin);
    const counted: PermissionsOf = (em, member) => {
      asked.push(member);
      return permissionsOf(product)(em, member);
    };
    Object.assign(app.services, { permissions: new PermissionCache({ ...app.services, permissionsOf: counted }) });
  });
  afterAll(() => app[Symbol.asyncDispose]());
  beforeEach(() => {
    asked = [];
  });

  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const believed = async (role?: string) =>
    bearer(await app.services.tokens.issue({ tenant: 'acme', role, expiresIn: '1h' }));
  const permissions = async (headers: Record<string, string>) =>
    (await app.ask('{ viewer { permissions } }', headers)).data?.viewer;

  it('are what the modules say of the role, or of a platform admin', async () => {
    expect(await permissions(await believed('ADMIN'))).toEqual({ permissions: ['products:empty'] });
    expect(await permissions(await believed('MEMBER'))).toEqual({ permissions: [] });
    expect(await permissions({ ...app.admin, 'x-tenant': 'acme' })).toEqual({ permissions: ['products:empty'] });
    expect(asked).toEqual([
      { user: undefined, role: 'ADMIN', tokenRoles: [], isPlatformAdmin: false },
      { user: undefined, role: 'MEMBER', tokenRoles: [], isPlatformAdmin: false },
      { user: undefined, role: 'ADMIN', tokenRoles: [], isPlatformAdmin: true },
    ]);
  });

  it('are a member’s for a trusted token with an unknown role, which the modules receive', async () => {
    for (const role of ['authenticated', 'owner', '__proto__', 'constructor']) {
      expect(await permissions(await believed(role))).toEqual({ permissions: [] });
      expect(asked.pop()).toMatchObject({ role: 'MEMBER', tokenRoles: [role] });
    }
  });

  it('are asked for only if a field needs them, and remembered', async () => {
    const headers = await believed('OWNER');
    await app.ask('{ products { totalCount } viewer { role } }', headers);
    expect(asked).toHaveLength(0);
    const text =
      'mutation { a: emptyShelves b: emptyShelves createProduct(input: { sku: "a", name: "a", price: "1", currency: "EUR" }) { id } }';
    expect((await app.ask(text, headers)).errors).toBeUndefined();
    expect(asked).toHaveLength(1);
    await app.ask('{ a: viewer { permissions } b: viewer { permissions } }', headers);
    expect(asked).toHaveLength(1);
  });

  it('are asked for again in the tenant in which they have changed, and in no other', async () => {
    await app.ask('mutation { createTenant(input: { slug: "beta", name: "Beta" }) { id } }', app.admin);
    const [acme, beta] = [
      { ...app.admin, 'x-tenant': 'acme' },
      { ...app.admin, 'x-tenant': 'beta' },
    ];
    for (const headers of [acme, beta]) await permissions(headers);
    asked = [];
    const tenant = (await app.services.directory.byReference('acme')) ?? expect.unreachable('acme is not there');
    await app.services.permissions.changed(tenant);
    for (const headers of [acme, beta]) await permissions(headers);
    expect(asked).toHaveLength(1);
  });

  it('are not queried for callers who are not members', async () => {
    const outsider = bearer(await app.services.tokens.issue({ subject: 'x', expiresIn: '1h' }));
    expect(await permissions(outsider)).toEqual({ permissions: [] });
    expect(codeOf(await app.ask('mutation { emptyShelves }', outsider))).toBe('TENANT_REQUIRED');
    expect(codeOf(await app.ask('mutation { emptyShelves }', {}))).toBe('UNAUTHENTICATED');
    expect(asked).toHaveLength(0);
  });

  it('say which one is missing, and where', async () => {
    const { errors } = await app.ask('mutation { emptyShelves }', await believed());
    expect(errors?.[0]).toMatchObject({
      message: 'This needs the permission products:empty, which you do not have in acme',
      extensions: { code: 'FORBIDDEN', permission: 'products:empty' },
    });
    const { data } = await app.ask('{ __type(name: "Mutation") { fields { name description } } }');
    expect(JSON.stringify(data)).toContain(
      '{"name":"emptyShelves","description":"Requires the permission products:empty."}',
    );
  });

  it('of who signs in are those in the tenant that the new token names, with the membership that they belong to', async () => {
    const person = await register(app, 'ada@example.com');
    const text = loginText('ada@example.com').replace('viewer {', 'viewer { permissions');
    expect((await app.ask(text)).data).toMatchObject({ login: { viewer: { permissions: [], tenant: null } } });
    await app.ask(
      'mutation { addMember(input: { tenant: "acme", email: "ada@example.com", role: ADMIN }) { role } }',
      app.admin,
    );
    expect((await app.ask(text)).data).toMatchObject({
      login: { viewer: { permissions: ['products:empty'], tenant: { slug: 'acme' } } },
    });
    expect(asked).toMatchObject([{ user: { id: person.id, since: expect.any(Date) }, role: 'ADMIN' }]);
  });
});
