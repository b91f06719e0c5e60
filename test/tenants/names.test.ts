import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isolations } from '../../src/catalog/entities/tenant.entity.ts';
import { quoteIdentifier } from '../../src/postgres/sql/quote.ts';
import { newPlacement, newTenantKey, tenantRole } from '../../src/routing/placement.ts';
import { hostSchema, slugSchema } from '../../src/tenants/names.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

const slugCharacters = [...'abcdefghijklmnopqrstuvwxyz0123456789-'];
const slugs = fc.string({ unit: fc.constantFrom(...slugCharacters), minLength: 3, maxLength: 63 });
/** Texts that are nearly slugs, and any others. */
const nearSlugs = fc.oneof(
  fc.string({ unit: fc.constantFrom(...slugCharacters, 'A', '_', '.', ' ', '\n', 'ſ', 'K', '\0', 'é'), maxLength: 66 }),
  fc.string({ unit: 'binary' }),
  fc.uuid(),
  fc.uuid().map((id) => id.replaceAll('-', '')),
  slugs.map((slug) => `${slug}\n`),
);

/** The rule in words: 3 to 63 of these characters, and no UUID. */
function isSlug(text: string): boolean {
  const parts = text.split('-').map(({ length }) => length);
  const isId = parts.join() === '8,4,4,4,12' && [...text].every((each) => '0123456789abcdef-'.includes(each));
  return text.length >= 3 && text.length <= 63 && [...text].every((each) => slugCharacters.includes(each)) && !isId;
}

const labels = fc
  .string({ unit: fc.constantFrom(...slugCharacters), minLength: 1, maxLength: 63 })
  .filter((label) => !label.startsWith('-') && !label.endsWith('-'));
const hosts = fc
  .array(labels, { minLength: 1, maxLength: 5 })
  .map((all) => all.join('.'))
  .filter(({ length }) => length <= 253);

/** The rule in words: labels of 1 to 63 of these characters, or capitals, that neither begin nor end with a hyphen; 253 in all. */
function isHost(text: string): boolean {
  return (
    text.length <= 253 &&
    text
      .split('.')
      .every(
        (label) =>
          label.length >= 1 &&
          label.length <= 63 &&
          [...label].every((each) => slugCharacters.includes(each) || (each >= 'A' && each <= 'Z')) &&
          !label.startsWith('-') &&
          !label.endsWith('-'),
      )
  );
}

describe('names', () => {
  it('takes what keeps the rule for slugs, and nothing else', () => {
    fc.assert(fc.property(slugs, (slug) => slugSchema.safeParse(slug).success === isSlug(slug)));
    fc.assert(fc.property(nearSlugs, (text) => slugSchema.safeParse(text).success === isSlug(text)));
  });

  it('takes what keeps the rule for hosts, and nothing else', () => {
    const near = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'Z', '0', '-', '.', ':', '/', '_', ' ', '\n', 'é'), maxLength: 70 }),
      fc.tuple(hosts, fc.constantFrom('.', ':80', '/x', '\n', ' ', '-', '\0')).map(([host, end]) => host + end),
      fc.tuple(fc.constantFrom('.', '-', ' ', 'http://'), hosts).map(([start, host]) => start + host),
      fc.array(labels, { minLength: 4, maxLength: 8 }).map((all) => all.join('.')),
    );
    fc.assert(fc.property(hosts, (host) => hostSchema.safeParse(host).success));
    fc.assert(fc.property(near, (text) => hostSchema.safeParse(text).success === isHost(text)));
  });

  it('makes names of a key that PostgreSQL takes as they are, and that tell tenants apart', () => {
    const key = fc.constant(0).map(() => newTenantKey());
    fc.assert(
      fc.property(key, key, fc.constantFrom(...isolations), (a, b, isolation) => {
        fc.pre(a !== b);
        expect(a).toMatch(/^[0-9a-z]{10}$/);
        const [one, two] = [a, b].map((each) => newPlacement(each, isolation, 'default', 'shared'));
        expect(one).not.toEqual(two);
        expect(tenantRole(a)).not.toBe(tenantRole(b));
        for (const name of [one?.database, one?.schema, tenantRole(a)]) {
          expect(name).toMatch(/^[a-z][0-9a-z_]{0,62}$/);
          expect(quoteIdentifier(name ?? '')).toBe(`"${name}"`);
        }
      }),
    );
  });

  it('hardly ever makes a key twice', () => {
    const keys = Array.from({ length: 10_000 }, newTenantKey);
    expect(new Set(keys).size).toBe(keys.length);
    // Every character at every place: a key that is less random than it looks would show here.
    for (let place = 0; place < 10; place += 1) expect(new Set(keys.map((key) => key[place])).size).toBe(36);
  });
});

describe('createTenant', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
  });
  const create = (fields: Record<string, string>) => {
    const input = { slug: 'a-slug', name: 'x', ...fields };
    const text = Object.entries(input).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
    return app.ask(`mutation { createTenant(input: { ${text.join(', ')} }) { id } }`, app.admin);
  };
  const refusal = (field: string) => ({ code: 'BAD_USER_INPUT', field });

  it('says which field cannot be used, whatever is in it', async () => {
    const odd = (isRight: (text: string) => boolean) => fc.oneof(nearSlugs, hosts).filter((text) => !isRight(text));
    await fc.assert(
      fc.asyncProperty(odd(isSlug), async (slug) => {
        expect((await create({ slug })).errors?.[0]?.extensions).toEqual(refusal('slug'));
      }),
      { numRuns: 30 },
    );
    await fc.assert(
      fc.asyncProperty(odd(isHost), async (host) => {
        expect((await create({ host })).errors?.[0]?.extensions).toEqual(refusal('host'));
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    ['nothing', ''],
    ['white space', ' \n\t'],
    ['more than 200 characters', 'x'.repeat(201)],
    ['a zero byte, which PostgreSQL cannot hold', 'a\0b'],
  ])('refuses a name of %s', async (_what, name) => {
    expect((await create({ name })).errors?.[0]?.extensions).toMatchObject(refusal('name'));
  });

  it('keeps a name as it was written, but for white space around it', async () => {
    const name = 'Œuvres & Söhne’s "☃" \\ $1 %s';
    const { errors } = await create({ slug: 'odd-name', name: `  ${name}\n` });
    expect(errors).toBeUndefined();
    const { data } = await app.ask('{ tenant(slug: "odd-name") { name } }', app.admin);
    expect(data).toEqual({ tenant: { name } });
  });

  it('keeps a host in small letters', async () => {
    expect((await create({ slug: 'capitals', host: 'Shop.Example.COM' })).errors).toBeUndefined();
    const { data } = await app.ask('{ tenant(slug: "capitals") { host } }', app.admin);
    expect(data).toEqual({ tenant: { host: 'shop.example.com' } });
    expect((await create({ slug: 'again', host: 'SHOP.example.com' })).errors?.[0]?.extensions.code).toBe('HOST_TAKEN');
  });

  it('leaves nothing behind of what it refuses', async () => {
    const { data } = await app.ask('{ tenants { totalCount } }', app.admin);
    expect(data).toEqual({ tenants: { totalCount: 2 } });
  });
});
