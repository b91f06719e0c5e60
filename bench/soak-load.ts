import { setTimeout as sleep } from 'node:timers/promises';
import type { Send, SoakAnswer } from './soak-client.ts';
import { markOf } from './soak-record.ts';
import { password } from './soak-seed.ts';

/** The pause between two requests of a person, in milliseconds. */
const PAUSE_MS = 200;

/** The requests that a person sends, repeatedly. */
const plan = [
  'list',
  'viewer',
  'create',
  'list',
  'last page',
  'list',
  'refresh',
  'list',
  'create',
  'last page',
] as const;
/** A person signs in again after this number of steps. */
const STEPS_PER_SESSION = 40;

/** The kinds of requests of {@link behave}. Each must have been answered. */
export const loadKinds = [...new Set([...plan, 'sign in'])];

const nodes = 'nodes { id sku name price }';
const queries = {
  list: `{ products(first: 20) { ${nodes} pageInfo { endCursor } } }`,
  'last page': `{ products(last: 50) { ${nodes} } }`,
  viewer: '{ viewer { role user { name } tenant { slug } memberships(first: 5) { role tenant { slug } } } }',
};
const session = 'token refreshToken deviceToken';
const create = `mutation ($sku: String!) {
  createProduct(input: { sku: $sku, name: $sku, price: "12.5", currency: "EUR", stock: 1 }) { id name } }`;

/** Anonymous requests share one queue, which may be full. */
const anonymous = ['OK', 'RATE_LIMITED'];

/** A signed-in session. */
interface Session {
  token: string;
  refreshToken: string;
}

/** Signs in the owner of a tenant. Retries until it succeeds. */
export async function signIn(send: Send, tenant: string, address: string, until: AbortSignal): Promise<Session> {
  let deviceToken: string | undefined;
  for (;;) {
    until.throwIfAborted();
    const answer = await send({
      kind: 'sign in',
      query: `mutation ($input: LoginInput!) { login(input: $input) { ${session} } }`,
      variables: { input: { email: `${tenant}@example.com`, password, tenant, deviceToken } },
      address,
      tenant,
      allowed: anonymous,
    });
    const found = sessionIn(answer, 'login');
    deviceToken = found?.deviceToken ?? deviceToken;
    if (found) return found;
    await sleep(1000, undefined, { signal: until });
  }
}

/** Acts as the owner of a tenant until the end. Returns the number of products whose creation was confirmed. */
export async function behave(send: Send, tenant: string, number: number, until: AbortSignal): Promise<number> {
  const address = `10.0.0.${number + 1}`;
  let created = 0;
  try {
    for (let step = number; ; ) {
      let current = await signIn(send, tenant, address, until);
      for (const last = step + STEPS_PER_SESSION; step < last; step += 1) {
        await sleep(PAUSE_MS, undefined, { signal: until });
        const kind = plan[step % plan.length] ?? 'list';
        const as = { kind, address, tenant };
        if (kind === 'refresh') {
          const { refreshToken } = current;
          const query = `mutation ($refreshToken: String!) { refreshToken(refreshToken: $refreshToken) { ${session} } }`;
          const answer = await send({ ...as, query, variables: { refreshToken }, allowed: anonymous });
          current = sessionIn(answer, 'refreshToken') ?? current;
        } else if (kind === 'create') {
          const sku = `${markOf(tenant)}${crypto.randomUUID()}`;
          const { ok } = await send({ ...as, token: current.token, query: create, variables: { sku } });
          if (ok) created += 1;
        } else await send({ ...as, token: current.token, query: queries[kind] });
      }
    }
  } catch (error) {
    if (!until.aborted) throw error;
    return created;
  }
}

function sessionIn({ ok, text }: SoakAnswer, field: string): (Session & { deviceToken?: string }) | undefined {
  // The cast is safe: the query above selects these fields.
  return ok ? (JSON.parse(text) as { data: Record<string, Session> }).data[field] : undefined;
}
