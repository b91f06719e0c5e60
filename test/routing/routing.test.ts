import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { askAsSuperuser } from '../support/ask-as-superuser.ts';
import { type Listening, listen } from '../support/listen.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

const JWT_SECRET = 'the secret of the tests of routing, long enough';
const products = '{ products { nodes { sku } } }';

describe('the tenant of a request', () => {
  let app: TestApp;
  let server: Listening;
  const ids: Record<string, string> = {};

  beforeAll(async () => {
    app = await startTestApp({ DEFAULT_ISOLATION: 'schema', JWT_SECRET });
    server = await listen(app.yoga);
    for (const slug of ['one', 'two', 'gone', 'changing', 'hosted', 'racing']) {
      const { data } = await app.ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "${slug}", host: "${slug}.example.com" }) { id } }`,
        app.admin,
      );
      // The shape that the mutation asks for.
      const created = data?.createTenant as { id: string } | undefined;
      ids[slug] = created?.id ?? '';
      await app.ask(
        `mutation { createProduct(input: { sku: "of-${slug}", name: "x", price: "1.00", currency: "EUR" }) { sku } }`,
        await app.tokenFor(slug),
      );
    }
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
  });

  /** Whose product is seen, or the code of the error. */
  async function ask(headers: Record<string, string>): Promise<unknown> {
    const { body, code } = await server.post({ query: products }, headers);
    return code ?? body.data?.products;
  }
  const sees = (slug: string) => ({ nodes: [{ sku: `of-${slug}` }] });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const catalog = (sql: string, values: unknown[]) => app.services.catalog.use((client) => client.query(sql, values));
  const until = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 3_000, interval: 20 });

  async function member(tenant: string): Promise<Record<string, string>> {
    const { rows } = await catalog(
      `INSERT INTO users (email, name) VALUES (gen_random_uuid() || '@x.org', 'x') RETURNING id`,
      [],
    );
    await catalog(`INSERT INTO memberships (user_id, tenant_id, role) VALUES ($1, $2, 'MEMBER')`, [
      rows[0].id,
      ids[tenant],
    ]);
    return bearer(await app.services.tokens.issue({ subject: rows[0].id, expiresIn: '1h' }));
  }

  it('is the one that the claim names, by slug or by id', async () => {
    expect(await ask(await app.tokenFor('one'))).toEqual(sees('one'));
    expect(await ask(await app.tokenFor(ids.two ?? ''))).toEqual(sees('two'));
    expect(await ask(await app.tokenFor((ids.two ?? '').toUpperCase()))).toEqual(sees('two'));
  });

  it('is the one of the host, whatever its case and port, for members and platform admins', async () => {
    const hosts = [
      'one.example.com',
      'ONE.Example.COM',
      'one.example.com:4000',
      'one.example.com:',
      'one.example.com.',
      'one.example.com.:80',
    ];
    const asMember = await member('one');
    for (const host of hosts) {
      expect(await ask({ ...asMember, host }), host).toEqual(sees('one'));
      expect(await ask({ ...app.admin, host }), host).toEqual(sees('one'));
    }
  });

  it('gives nobody else the data of a host', async () => {
    const host = 'one.example.com';
    expect(await ask({ host })).toBe('UNAUTHENTICATED');
    expect(await ask({ ...(await member('two')), host })).toBe('FORBIDDEN');
    const subject = '7f3c9a52-6a5b-4e0f-9f5c-0f6f8a1f2b3c';
    expect(await ask({ ...bearer(await app.services.tokens.issue({ subject, expiresIn: '1h' })), host })).toBe(
      'FORBIDDEN',
    );
    expect(
      await ask({ ...bearer(await app.services.tokens.issue({ subject: 'auth0|7', expiresIn: '1h' })), host }),
    ).toBe('FORBIDDEN');
    // A role without a tenant's claim says nothing about this tenant.
    expect(await ask({ ...bearer(await app.services.tokens.issue({ role: 'OWNER', expiresIn: '1h' })), host })).toBe(
      'FORBIDDEN',
    );
  });

  it('does not tell a visitor of a host who the tenant and its members are', async () => {
    const query = '{ viewer { role tenant { slug members { user { email } } } } }';
    const { body } = await server.post({ query }, { ...(await member('two')), host: 'one.example.com' });
    expect(body).toEqual({ data: { viewer: { role: null, tenant: null } } });
    const own = await server.post({ query }, { ...(await member('one')), host: 'one.example.com' });
    expect(own.body.data).toMatchObject({ viewer: { role: 'MEMBER', tenant: { slug: 'one' } } });
  });

  it('is the one that a platform admin names in x-tenant, and nobody else may', async () => {
    expect(await ask({ ...app.admin, 'x-tenant': 'two' })).toEqual(sees('two'));
    expect(await ask({ ...app.admin, 'x-tenant': ids.two ?? '' })).toEqual(sees('two'));
    expect(await ask({ ...app.admin, 'x-tenant': 'nobody' })).toBe('TENANT_NOT_FOUND');
    expect(await ask({ ...(await member('two')), 'x-tenant': 'two' })).toBe('FORBIDDEN');
    expect(await ask({ 'x-tenant': 'two' })).toBe('UNAUTHENTICATED');
  });

  it('is the claim’s before the host’s', async () => {
    expect(await ask({ ...(await app.tokenFor('one')), host: 'two.example.com' })).toEqual(sees('one'));
  });

  it('is refused where x-tenant names another one than the claim or the host', async () => {
    const claim = await app.tokenFor('one');
    const adminWithClaim = bearer(
      await app.services.tokens.issue({ tenant: 'one', platformAdmin: true, expiresIn: '1h' }),
    );
    const atTwo = { ...app.admin, host: 'two.example.com' };
    for (const way of [claim, adminWithClaim]) {
      for (const same of ['one', ids.one ?? '']) expect(await ask({ ...way, 'x-tenant': same })).toEqual(sees('one'));
      // Whether there is such a tenant makes no difference.
      for (const other of ['two', 'nobody', '']) {
        const { body } = await server.post({ query: products }, { ...way, 'x-tenant': other });
        expect(body.errors?.[0]).toMatchObject({
          message:
            'The header x-tenant and the token name different tenants: the token names one. Send only one of them.',
          extensions: { code: 'BAD_USER_INPUT', field: 'x-tenant' },
        });
      }
    }
    expect(await ask({ ...atTwo, 'x-tenant': 'two' })).toEqual(sees('two'));
    expect(await ask({ ...atTwo, 'x-tenant': 'one' })).toBe('BAD_USER_INPUT');
  });

  it.each([[['two']], [42], [''], [true], [{ id: 'two' }]])(
    'is refused with the token for the claim %j',
    async (claim) => {
      const key = new TextEncoder().encode(JWT_SECRET);
      const token = await new SignJWT({ tenant: claim }).setProtectedHeader({ alg: 'HS256' }).sign(key);
      const ways = [{}, { host: 'two.example.com' }, { 'x-tenant': 'two' }];
      for (const way of ways) expect(await ask({ ...bearer(token), ...way })).toBe('UNAUTHENTICATED');
    },
  );

  it.each([
    'nobody',
    '../one',
    'one; DROP TABLE tenants',
    '00000000-0000-0000-0000-000000000000',
    'ONE',
    'x'.repeat(255),
  ])('is not found for the claim %j', async (tenant) => {
    expect(await ask(await app.tokenFor(tenant))).toBe('TENANT_NOT_FOUND');
  });

  it('is not looked for where the claim is longer than any name', async () => {
    expect(await ask(await app.tokenFor('x'.repeat(5000)))).toBe('UNAUTHENTICATED');
  });

  it('is not needed for public data, even if the claim names one that is not there', async () => {
    const query = '{ server { name } currencies { code } health { status } viewer { isPlatformAdmin } }';
    for (const headers of [{}, await app.tokenFor('nobody'), { host: 'unknown.example.com' }, { 'x-tenant': 'two' }]) {
      const { body } = await server.post({ query }, headers);
      expect(body.errors).toBeUndefined();
      expect(body.data).toMatchObject({ server: { name: 'Tenantry' }, health: { status: 'OK' } });
    }
  });

  it.each([
    ['SUSPENDED', 'TENANT_SUSPENDED', undefined],
    ['NEEDS_ATTENTION', 'TENANT_SUSPENDED', undefined],
    ['MAINTENANCE', 'TENANT_BUSY', 1000],
    ['DELETING', 'TENANT_NOT_FOUND', undefined],
  ])('is refused as soon as it is %s, and served as soon as it is not', async (status, code, retryAfterMs) => {
    const ways = [
      await app.tokenFor('changing'),
      { ...app.admin, host: 'changing.example.com' },
      { ...app.admin, 'x-tenant': 'changing' },
    ];
    for (const way of ways) expect(await ask(way)).toEqual(sees('changing'));
    await catalog('UPDATE tenants SET status = $1 WHERE slug = $2', [status, 'changing']);
    await until(async () => {
      for (const way of ways) {
        const { body } = await server.post({ query: products }, way);
        expect(body.errors?.[0]?.extensions).toEqual({ code, ...(retryAfterMs !== undefined && { retryAfterMs }) });
      }
    });
    await catalog(`UPDATE tenants SET status = 'ACTIVE' WHERE slug = $1`, ['changing']);
    await until(async () => {
      for (const way of ways) expect(await ask(way)).toEqual(sees('changing'));
    });
  });

  it('follows a change of slug and host at once: the old ones name nobody', async () => {
    const [oldSlug, newSlug] = [await app.tokenFor('hosted'), await app.tokenFor('renamed')];
    const [oldHost, newHost] = ['hosted.example.com', 'renamed.example.com'].map((host) => ({ ...app.admin, host }));
    expect(await ask(oldSlug)).toEqual(sees('hosted'));
    expect(await ask({ ...oldHost })).toEqual(sees('hosted'));
    expect(await ask(newSlug)).toBe('TENANT_NOT_FOUND');
    expect(await ask({ ...newHost })).toBe('TENANT_REQUIRED');
    await catalog(`UPDATE tenants SET slug = 'renamed', host = 'renamed.example.com' WHERE slug = 'hosted'`, []);
    await until(async () => {
      expect(await ask(newSlug)).toEqual(sees('hosted'));
      expect(await ask({ ...newHost })).toEqual(sees('hosted'));
      expect(await ask(oldSlug)).toBe('TENANT_NOT_FOUND');
      expect(await ask({ ...oldHost })).toBe('TENANT_REQUIRED');
    });
  });

  it('is gone as soon as its row is', async () => {
    const token = await app.tokenFor('gone');
    expect(await ask(token)).toEqual(sees('gone'));
    await catalog('DELETE FROM tenants WHERE slug = $1', ['gone']);
    await until(async () => expect(await ask(token)).toBe('TENANT_NOT_FOUND'));
  });

  it('is found by requests in progress while the connection for notifications comes back', async () => {
    const { servers, config, listener } = app.services;
    const [postgres, answers] = [servers.get('default'), [] as Promise<unknown>[]];
    const count = async (what: string) =>
      (await postgres?.admin((admin) => admin.query<{ pid: number }>(`SELECT pid FROM ${what}`)))?.rows ?? [];
    const listening = `pg_locks WHERE locktype = 'advisory' AND objid = ${listener.instance}`;
    const racing = postgres?.owner(config.databases.auth, async (owner) => {
      await owner.query('BEGIN; LOCK TABLE tenants');
      // By its id, which no test before has asked for.
      answers.push(ask(await app.tokenFor(ids.racing ?? '')));
      await vi.waitFor(async () => expect(await count('pg_locks WHERE NOT granted')).toHaveLength(1));
      const [before] = await count(listening);
      await askAsSuperuser(app, 'SELECT pg_terminate_backend($1)', [before?.pid]);
      await vi.waitFor(async () => {
        const [now] = await count(listening);
        expect(now?.pid).toEqual(expect.any(Number));
        expect(now?.pid).not.toBe(before?.pid);
        expect(listener.connected).toBe(true);
      });
      await owner.query('COMMIT');
    });
    // Nothing is in progress when the server closes, even if this has failed.
    await racing?.finally(() => Promise.allSettled(answers));
    expect(await Promise.all(answers)).toEqual([sees('racing')]);
  });
});
