import { setTimeout as sleep } from 'node:timers/promises';
import type { Send, SoakRequest } from './soak-client.ts';
import { signIn } from './soak-load.ts';
import { markOf } from './soak-record.ts';

/** An attack on a server. */
export interface Attack {
  readonly send: Send;
  /** The attacker's own tenant, to which it has full access. */
  readonly own: string;
  readonly victim: string;
  readonly until: AbortSignal;
}

const product = 'fragment F on Product { id sku name price }';
const pageOf = (selection: string, count: number) =>
  `{ ${times(count, (index) => `a${index}: products(first: 100) { ${selection} }`).join(' ')} } ${product}`;
/** The most expensive operation that is allowed. */
const costliest = pageOf('edges { cursor node { ...F } }', 28);
const tooCostly = pageOf('edges { cursor node { ...F } } nodes { ...F }', 25);
const refused = ['BAD_USER_INPUT', 'RATE_LIMITED'];
/** An attacker who uses up the connections of its own tenant may get these. */
const withinLimits = ['OK', 'RATE_LIMITED', 'SERVER_BUSY'];

/** Sends more of the most expensive operations than its share allows. */
async function costly({ send, own, until }: Attack): Promise<void> {
  const address = '198.51.100.1';
  const { token } = await signIn(send, own, address, until);
  const as = { address, token, tenant: own };
  await forever(until, 500, () =>
    Promise.all([
      ...times(12, () => send({ ...as, kind: 'costliest', query: costliest, allowed: withinLimits })),
      ...times(12, (index) =>
        send({ ...as, kind: 'aborted', query: costliest, allowed: withinLimits, giveUpMs: 5 + 5 * index }),
      ),
      send({ ...as, kind: 'too costly', query: tooCostly, allowed: refused }),
      send({ ...as, kind: 'too costly', query: `{ ${'products { nodes { id } } '.repeat(150)} }`, allowed: refused }),
    ]),
  );
}

/** Sends documents and bodies beyond every limit. The server may close the connection before it has read everything. */
async function large({ send, until }: Attack): Promise<void> {
  const address = '198.51.100.2';
  const sent = (kind: string, body: string) =>
    send({ kind, body, address, allowed: [...refused, 'CLOSED', 'UNAUTHENTICATED'] });
  await forever(until, 1000, (round) =>
    Promise.all([
      sent('large document', JSON.stringify({ query: `{ viewer { role } } # ${'x'.repeat(30_000)} ${round}` })),
      sent('large document', JSON.stringify({ query: `{ ${'viewer { role } '.repeat(1_200)} }` })),
      sent('large body', JSON.stringify({ query: '{ viewer { role } }', variables: { text: 'x'.repeat(2_000_000) } })),
      sent('large body', `{"query": "{ viewer { role } }", "variables": ${'['.repeat(400_000)}`),
      sent('deep document', JSON.stringify({ query: `${'{ viewer '.repeat(900)}${'}'.repeat(900)}` })),
    ]),
  );
}

/** Guesses passwords of active users from many addresses. */
async function guess({ send, victim, until }: Attack): Promise<void> {
  await forever(until, 1000, (round) =>
    Promise.all(
      times(4, (index) => {
        const email = index % 2 === 0 ? `${victim}@example.com` : `nobody-${round}@example.com`;
        return send({
          kind: 'wrong password',
          query: 'mutation ($input: LoginInput!) { login(input: $input) { token } }',
          variables: { input: { email, password: `wrong ${round}` } },
          address: `203.0.113.${(round + index) % 250}`,
          allowed: ['UNAUTHENTICATED', 'RATE_LIMITED'],
        });
      }),
    ),
  );
}

/** Sends many concurrent requests without a token. */
async function flood({ send, until }: Attack): Promise<void> {
  const queries = ['{ health { status } }', '{ viewer { role } }', '{ products { nodes { name } } }', '{ timestamp }'];
  const allowed = ['OK', 'RATE_LIMITED', 'UNAUTHENTICATED', 'TENANT_REQUIRED'];
  await forever(until, 1000, () =>
    Promise.all(
      times(60, (index) =>
        send({
          kind: 'anonymous flood',
          query: queries[index % queries.length] ?? '',
          address: `192.0.2.${index % 8}`,
          allowed,
        }),
      ),
    ),
  );
}

const text = (value: string) => JSON.stringify(value);
const create =
  'mutation ($sku: String!, $price: String!) { createProduct(input: { sku: $sku, name: $sku, price: $price, currency: "EUR" }) { name } }';
const clients = '198.51.100.3';

/** Returns inputs that often break programs, and requests that name another tenant wherever possible. */
function hostileRequests({ own, victim }: Attack, token: string): SoakRequest[] {
  const as = { kind: 'hostile input', address: clients, token, tenant: own, allowed: [...refused, 'OK', 'CONFLICT'] };
  const denied = { ...as, allowed: ['FORBIDDEN', 'NOT_FOUND', 'TENANT_NOT_FOUND', 'BAD_USER_INPUT', 'RATE_LIMITED'] };
  const forged = (payload: object) =>
    `${[{ alg: 'none', typ: 'JWT' }, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`;
  const cut = token.slice(0, -8);
  const unknown = { ...as, allowed: ['UNAUTHENTICATED', 'RATE_LIMITED'], query: '{ products { nodes { name } } }' };
  return [
    ...['', '{', '[]', '[{}]', 'null', '0', '{"query":null}', '{"query":{"a":1}}', '{"query":"{ viewer"}', '\0'].map(
      (body) => ({ ...as, body }),
    ),
    { ...as, body: '{"query":"{ viewer { role } }","variables":{"__proto__":{"a":1},"constructor":[]}}' },
    { ...as, body: '{"query":"{ viewer { role } }","operationName":"__proto__","extensions":{"persistedQuery":{}}}' },
    ...['\0', '\ud800', "'; DROP TABLE products; --", '%s%n$1', '\u202e', 'x'.repeat(100_000)].map((sku) => ({
      ...as,
      query: create,
      variables: { sku: `${markOf(own)}${sku}`, price: '1' },
    })),
    ...['NaN', 'Infinity', '1e400', '1'.repeat(50_000), '0x10', '1; SELECT 1'].map((price) => ({
      ...as,
      query: create,
      variables: { sku: `${markOf(own)}${crypto.randomUUID()}`, price },
    })),
    ...['-1', '0', '101', '2147483648', '1e3', '"1"', 'null'].map((first) => ({
      ...as,
      query: `{ products(first: ${first}) { nodes { name } } }`,
    })),
    ...['', 'x', '\0', 'WyJhIl0=', 'bnVsbA==', text('a'), '9'.repeat(10_000)].map((after) => ({
      ...as,
      query: 'query ($after: String) { products(first: 2, after: $after) { nodes { name } } }',
      variables: { after },
    })),
    { ...denied, query: '{ products { nodes { name } } }', headers: { 'x-tenant': victim } },
    { ...as, query: `{ tenant(slug: ${text(victim)}) { name } }`, allowed: [...denied.allowed, 'OK'] },
    { ...denied, query: `{ invitations(tenant: ${text(victim)}) { email } }`, allowed: [...denied.allowed, 'OK'] },
    { ...denied, query: `mutation { deleteTenant(id: ${text(victim)}, slug: ${text(victim)}) { id } }` },
    { ...denied, query: 'mutation { runMigrations { id } }' },
    ...[cut, '', 'x.y.z', forged({ tenant: victim, platformAdmin: true }), 'A'.repeat(7_000)].map((bad) => ({
      ...unknown,
      token: bad,
    })),
  ];
}

async function hostile(attack: Attack): Promise<void> {
  const { token } = await signIn(attack.send, attack.own, clients, attack.until);
  await forever(attack.until, 200, async () => {
    for (const request of hostileRequests(attack, token)) {
      if (attack.until.aborted) return;
      await attack.send(request);
    }
  });
}

/** All attacks. Each uses its own tenant. */
export const attacks: readonly ((attack: Attack) => Promise<void>)[] = [costly, large, guess, flood, hostile];

/** Repeats work with pauses until the end. */
async function forever(until: AbortSignal, pauseMs: number, work: (round: number) => Promise<unknown>): Promise<void> {
  for (let round = 0; !until.aborted; round += 1) {
    await work(round);
    // Only the end rejects it.
    await sleep(pauseMs, undefined, { signal: until }).catch(() => undefined);
  }
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
