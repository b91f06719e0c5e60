import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loginText, type Person, register } from '../support/accounts.ts';
import { type Listening, listen } from '../support/listen.ts';
import { captureLog } from '../support/log-lines.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';
import { startInstalledPostgres, type TestPostgres } from '../support/start-postgres.ts';

/** Rows that one caller may add in a minute: 20, and one for each code of an error. */
const ROWS_OF_CALLER = 25;

describe('a caller who repeats refused requests', { timeout: 120_000 }, () => {
  let postgres: TestPostgres;
  /** Two servers of one installation, behind a proxy. */
  let apps: TestApp[];
  let servers: Listening[];
  let attacker: Person;
  let before: string;
  const logged = captureLog();
  beforeAll(async () => {
    postgres = await startInstalledPostgres();
    const env = { ...postgres.env, TRUSTED_PROXIES: '1', DEFAULT_ISOLATION: 'schema' };
    apps = [await startTestApp(env, { log: logged.log }), await startTestApp(env)];
    servers = await Promise.all(apps.map(({ yoga }) => listen(yoga)));
    attacker = await register(first(), 'attacker@example.com');
    for (const slug of ['one', 'two', 'three']) {
      await first().ask(`mutation { createTenant(input: { slug: "${slug}", name: "x" }) { id } }`, first().admin);
    }
  });
  afterAll(async () => {
    for (const part of [...servers, ...apps, postgres]) await part[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    const [row] = await sql('SELECT coalesce(max(id), 0)::text AS id FROM audit_log');
    before = row?.id;
  });

  const first = () => apps[0] ?? expect.unreachable('there is a server');
  const sql = (text: string, values: unknown[] = []) =>
    first().services.catalog.use(async (client) => (await client.query(text, values)).rows);
  const added = () =>
    sql('SELECT *, extract(epoch FROM last_at - at)::float AS seconds FROM audit_log WHERE id > $1 ORDER BY id', [
      before,
    ]);
  const total = (rows: { count: number }[]) => rows.reduce((sum, { count }) => sum + count, 0);
  const send = (server: number, query: string, headers: Record<string, string> = {}) =>
    servers[server]?.post({ query }, headers);

  /** Sends all, a dozen at once, to the first servers in turn. */
  async function sendAll(queries: readonly string[], headersOf: (index: number) => Record<string, string>, count = 1) {
    const left = queries.map((query, index) => ({ query, index }));
    await Promise.all(
      Array.from({ length: 12 }, async () => {
        for (let next = left.pop(); next; next = left.pop()) {
          const answer = await send(next.index % count, next.query, headersOf(next.index));
          expect(answer?.code).not.toBe('INTERNAL_SERVER_ERROR');
        }
      }),
    );
  }

  it('with 30 aliases adds a row a minute, on several servers too', async () => {
    const aliases = Array.from({ length: 30 }, (_, index) => `a${index}: logout(refreshToken: "${index}")`).join(' ');
    await sendAll(Array(12).fill(`mutation { ${aliases} }`), () => attacker.headers, 2);
    const rows = await added();
    expect(rows.length).toBeLessThanOrEqual(4);
    expect(total(rows)).toBe(360);
    for (const row of rows) {
      expect(row).toMatchObject({ actor: attacker.email, action: 'logout', outcome: 'OK' });
      expect(row.seconds).toBeGreaterThanOrEqual(0);
      expect(row.seconds).toBeLessThan(60);
    }
  });

  it('adds a handful of rows whatever the arguments, tenants, actions and addresses are', async () => {
    const slugs = ['one', 'two', 'three', 'none', 'nowhere'];
    const actions = (index: number) => {
      const [slug, id] = [slugs[index % slugs.length] ?? '', attacker.id];
      return [
        `removeMember(tenant: "${slug}", user: "${id}")`,
        `setMemberRole(tenant: "${slug}", user: "${id}", role: OWNER) { role }`,
        `updateTenant(input: { id: "${slug}", name: "n${index}" }) { id }`,
        `suspendTenant(id: "${slug}") { id }`,
        `switchTenant(tenant: "${slug}${index}") { token }`,
        `createTenant(input: { slug: "one", name: "${index}" }) { id }`,
        `setUserActive(user: "${index}", active: false) { id }`,
      ][index % 7];
    };
    const queries = Array.from({ length: 140 }, (_, index) => `mutation { ${actions(index)} }`);
    const address = (index: number) => `2001:db8:${index.toString(16)}::1`;
    await sendAll(queries, (index) => ({ ...attacker.headers, 'x-forwarded-for': address(index) }));
    const rows = (await added()).filter(({ outcome }) => outcome !== 'OK');
    // Perhaps of two minutes.
    expect(rows.length).toBeLessThanOrEqual(2 * ROWS_OF_CALLER);
    expect(total(rows)).toBe(140);
    expect(rows.some(({ action }) => action === 'several')).toBe(true);
    for (const { actor } of rows) expect(actor).toBe(attacker.email);
  });

  it('with what is allowed and changes nothing adds no more than a hundred rows', async () => {
    const { headers } = await register(first(), 'idler@example.com');
    const field = (index: number) => `a${index}: revokeInvitation(id: "${index}")`;
    const query = (round: number) =>
      `mutation { ${Array.from({ length: 30 }, (_, index) => field(30 * round + index)).join(' ')} }`;
    await sendAll(
      Array.from({ length: 20 }, (_, round) => query(round)),
      () => headers,
    );
    const rows = (await added()).filter(({ action }) => action === 'revokeInvitation');
    // The rows can be from two minutes.
    expect(rows.length).toBeLessThanOrEqual(202);
    expect(total(rows)).toBe(600);
    expect(rows.find(({ count }) => count > 1)?.details).toBeNull();
  });

  it('as a stranger adds only a few rows, for any accounts and addresses', async () => {
    const queries = Array.from({ length: 80 }, (_, index) => loginText(`nobody-${index}@example.com`, 'wrong'));
    await sendAll(queries, (index) => ({ 'x-forwarded-for': `198.51.100.${index}` }));
    const rows = await added();
    expect(rows.length).toBeLessThanOrEqual(2 * ROWS_OF_CALLER);
    expect(total(rows)).toBe(80);
  });

  it('does not hide who signs in, nor whose password is tried', async () => {
    const victim = await register(first(), 'victim@example.com');
    const queries = Array.from({ length: 25 }, (_, index) => loginText(`guest-${index}@example.com`, 'wrong'));
    await sendAll(queries, (index) => ({ 'x-forwarded-for': `203.0.113.${index}` }));
    await send(0, loginText(victim.email, 'wrong'), { 'x-forwarded-for': '192.0.2.1' });
    await send(0, loginText(victim.email), { 'x-forwarded-for': '192.0.2.2' });
    const rows = (await added()).filter(({ actor, action }) => actor === victim.email && action === 'login');
    expect(rows.map(({ outcome, address }) => `${outcome} ${address}`)).toEqual([
      'UNAUTHENTICATED 192.0.2.1',
      'OK 192.0.2.2',
    ]);
  });

  it('is shown in the audit log with a count', async () => {
    const refused = 'mutation { runMigrations { id } }';
    // The attacker may have no row left in this minute.
    const { headers } = await register(first(), 'refused@example.com');
    for (let round = 0; round < 3; round++) await send(0, refused, headers);
    const query = `{ auditLog(first: 2, filter: { action: "runMigrations" }) { nodes { count at lastAt details } } }`;
    const { data } = await first().ask(query, first().admin);
    // What this query asks for.
    const { nodes } = (data?.auditLog ?? {}) as { nodes: { count: number; at: string; lastAt: string }[] };
    expect(total(nodes)).toBe(3);
    for (const { at, lastAt } of nodes) expect(Date.parse(lastAt)).toBeGreaterThanOrEqual(Date.parse(at));
  });

  it('gets one line of the log for a request', async () => {
    const start = logged.text().split('\n').length;
    const aliases = Array.from({ length: 30 }, (_, index) => `a${index}: logout(refreshToken: "x")`).join(' ');
    for (let round = 0; round < 2; round++) await send(0, `mutation { ${aliases} }`, attacker.headers);
    const lines = logged
      .text()
      .split('\n')
      .slice(start - 1);
    // From `info` on, as a server has it unless it is set otherwise.
    expect(lines.filter((line) => /"level":[3-6]0/.test(line)).length).toBeLessThanOrEqual(4);
  });
});
