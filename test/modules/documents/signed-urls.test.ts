import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileLab, put, refusalOf } from './file-lab.ts';

describe('the URL of a file', () => {
  let lab: FileLab;
  let id: string;
  let link: string;
  beforeAll(async () => {
    lab = await FileLab.start();
    id = await lab.upload('hello');
    link = await lab.urlOf(id);
  });
  afterAll(() => lab?.[Symbol.asyncDispose]());

  const partsOf = (url: string) => (url.split('/').at(-1) ?? '').split('.') as [string, string, string];
  const urlOf = (token: string) => lab.absolute(`/files/${token}`);
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  /** The same token with other claims and the signature that it had. */
  const changed = (url: string, claims: object) => {
    const [header, payload, signature] = partsOf(url);
    const known = JSON.parse(Buffer.from(payload, 'base64url').toString());
    return urlOf(`${header}.${encode({ ...known, ...claims })}.${signature}`);
  };
  const outcome = async (response: Promise<Response>) => {
    const { status, code } = await refusalOf(await response);
    return { status, code };
  };
  const forbidden = { status: 403, code: 'FORBIDDEN' };

  it('works without a token, until it expires', async () => {
    expect(await (await fetch(link)).text()).toBe('hello');
  });

  it('opens nothing when a character of it is changed', async () => {
    const token = partsOf(link).join('.');
    for (let index = 0; index < token.length; index += 7) {
      const other = token[index] === 'A' ? 'B' : 'A';
      const url = urlOf(token.slice(0, index) + other + token.slice(index + 1));
      expect((await outcome(fetch(url))).status, url).toBe(403);
    }
  });

  it('opens nothing with other claims, another method or another signature', async () => {
    const { url: upload } = await lab.announce();
    const other = await lab.app.services.directory.byReference('beta');
    const [header, payload] = partsOf(link);
    const foreign = await lab.urlOf(await lab.upload('secret', {}, 'beta'), 'beta');
    const login = (await lab.app.tokenFor('acme')).authorization?.replace('Bearer ', '') ?? '';
    for (const url of [
      changed(link, { tenant: other?.id }),
      changed(link, { file: partsOf(foreign)[1] }),
      changed(link, { exp: 4_000_000_000 }),
      urlOf(`${partsOf(foreign)[0]}.${partsOf(foreign)[1]}.${partsOf(link)[2]}`),
      urlOf(`${encode({ alg: 'none' })}.${payload}.`),
      urlOf(`${header}.${payload}.`),
      urlOf(login),
      urlOf('x'.repeat(3000)),
      urlOf(''),
      upload,
    ]) {
      expect(await outcome(fetch(url)), url).toEqual(forbidden);
    }
    for (const url of [link, changed(upload, { size: 6 }), changed(upload, { aud: 'GET' })]) {
      expect(await outcome(put(url, 'hello!')), url).toEqual(forbidden);
    }
    const head = await fetch(changed(link, { exp: 4_000_000_000 }), { method: 'HEAD' });
    expect({ status: head.status, text: await head.text() }).toEqual({ status: 403, text: '' });
  });

  it.each([
    '/files/../../etc/passwd',
    '/files/..%2f..%2fetc%2fpasswd',
    '/files/%2e%2e/%2e%2e/x',
    '/files/a/b',
    '/files//x',
  ])('is not a path: %s', async (path) => {
    for (const method of ['GET', 'PUT']) {
      const { status } = await lab.server.send({ method, path, headers: { 'content-type': 'text/plain' } });
      expect([403, 404]).toContain(status);
    }
  });

  it('accepts the methods of files only', async () => {
    const response = await fetch(link, { method: 'DELETE' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD, PUT');
  });

  it('does not work while the tenant is suspended', async () => {
    const upload = await lab.announce();
    const change = async (name: string) => {
      const { errors } = await lab.app.ask(`mutation { ${name}(id: "acme") { id } }`, lab.app.admin);
      expect(errors).toBeUndefined();
    };
    await change('suspendTenant');
    const suspended = { status: 403, code: 'TENANT_SUSPENDED' };
    await expect.poll(() => fetch(link).then(({ status }) => status)).toBe(403);
    expect(await outcome(fetch(link))).toEqual(suspended);
    expect(await outcome(put(upload.url, 'hello'))).toEqual(suspended);
    await change('activateTenant');
    await expect.poll(() => fetch(link).then(({ status }) => status)).toBe(200);
    expect((await put(upload.url, 'hello')).status).toBe(201);
  });

  it('can be used by pages of allowed origins only', async () => {
    const preflight = (origin: string) =>
      fetch(link, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'content-type' },
      });
    await using other = await FileLab.start('folder', { CORS_ORIGINS: 'https://app.example.com' });
    const url = await other.urlOf(await other.upload('hello'));
    const allowed = await fetch(url, { headers: { origin: 'https://app.example.com' } });
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    const asked = await fetch(url, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example.com', 'access-control-request-headers': 'content-type' },
    });
    expect({ status: asked.status, methods: asked.headers.get('access-control-allow-methods') }).toEqual({
      status: 204,
      methods: 'GET, HEAD, PUT',
    });
    expect(asked.headers.get('access-control-allow-headers')).toBe('content-type');
    for (const response of [
      await preflight('https://evil.example.com'),
      await fetch(link, { headers: { origin: 'null' } }),
    ]) {
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
      expect(response.headers.get('access-control-allow-methods')).toBeNull();
    }
  });
});

it('a URL expires', async () => {
  await using lab = await FileLab.start('folder', { FILES_URL_SECONDS: '2' });
  const link = await lab.urlOf(await lab.upload('hello'));
  const { url } = await lab.announce();
  expect((await fetch(link)).status).toBe(200);
  await expect.poll(() => fetch(link).then(({ status }) => status), { timeout: 10_000 }).toBe(410);
  const expired = { status: 410, code: 'FORBIDDEN', message: 'This URL has expired. Ask for a new one.' };
  expect(await refusalOf(await fetch(link))).toMatchObject(expired);
  await expect.poll(async () => refusalOf(await put(url, 'hello'))).toMatchObject(expired);
});
