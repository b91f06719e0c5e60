import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import * as apollo from '../../docs/clients/apollo.ts';
import * as graphqlRequest from '../../docs/clients/graphql-request.ts';
import * as serverSentEvents from '../../docs/clients/server-sent-events.ts';
import { Session } from '../../docs/clients/session.ts';
import * as urql from '../../docs/clients/urql.ts';
import * as webSocket from '../../docs/clients/websocket.ts';
import { password, registerText } from '../support/accounts.ts';
import type { HttpClient } from '../support/http-client.ts';
import { ownInstallation, type ServerProcess, startServer } from '../support/server-process.ts';
import { startTestPostgres, type TestPostgres } from '../support/start-postgres.ts';

const email = 'ada@example.com';
const invalid = 'not a token';

describe("the clients of docs/frontends.md, with a user's tokens", () => {
  let folder: string;
  let postgres: TestPostgres;
  let server: ServerProcess;
  let http: HttpClient;
  let refreshToken: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-clients-'));
    postgres = await startTestPostgres();
    server = startServer(ownInstallation(postgres, folder));
    http = await server.listening();
    await http.ask(registerText(email));
    const ask = async (query: string) => {
      const { errors } = await http.ask(query, server.admin());
      expect(errors).toBeUndefined();
    };
    await ask('mutation { createTenant(input: { slug: "acme", name: "Acme", isolation: SCHEMA }) { id } }');
    await ask(`mutation { addMember(input: { tenant: "acme", email: "${email}", role: OWNER }) { role } }`);
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const signIn = () => Session.login(http.url, { email, password, tenant: 'acme' });
  /** A session whose token has been refused by the time it is used. */
  async function expired(): Promise<Session> {
    const query = `mutation { login(input: { email: "${email}", password: "${password}", tenant: "acme" }) { refreshToken } }`;
    const { data } = await http.ask<{ login: { refreshToken: string } }>(query);
    refreshToken = data?.login.refreshToken ?? expect.unreachable();
    return new Session(http.url, { token: invalid, refreshToken });
  }
  const socketOf = (session: Session) => webSocket.createWebSocketClient(session, http.url.replace('http:', 'ws:'));

  it.each([
    ['Apollo Client', apollo, (session: Session) => apollo.createApolloClient(session, socketOf(session))],
    ['urql', urql, (session: Session) => urql.createUrqlClient(session, socketOf(session))],
    ['graphql-request', graphqlRequest, graphqlRequest.createRequestClient],
  ])('%s creates products, tells a conflict by its code, and reads all pages', async (name, client, create) => {
    // Each module takes what it has created itself.
    const { createProduct, loadAllProducts } = client as { createProduct: Create; loadAllProducts: Load };
    const connection = create(await signIn());
    const skus = [1, 2, 3].map((index) => `${name.replace(' ', '-')}-${index}`);
    for (const sku of skus) expect(await createProduct(connection, sku)).toEqual(expect.any(String));
    expect(await createProduct(connection, skus[0] ?? '')).toBeUndefined();
    const all = await loadAllProducts(connection);
    expect(all.filter((sku) => skus.includes(sku))).toEqual(skus);
    expect(new Set(all).size).toBe(all.length);
  });
  type Create = (client: unknown, sku: string) => Promise<string | undefined>;
  type Load = (client: unknown) => Promise<string[]>;

  it.each([
    [
      'Apollo Client',
      (session: Session) => apollo.loadAllProducts(apollo.createApolloClient(session, socketOf(session))),
    ],
    ['urql', (session: Session) => urql.loadAllProducts(urql.createUrqlClient(session, socketOf(session)))],
    [
      'graphql-request',
      (session: Session) => graphqlRequest.loadAllProducts(graphqlRequest.createRequestClient(session)),
    ],
  ])('%s refreshes an invalid token once, however many requests are waiting', async (_name, load) => {
    const session = await expired();
    const fetches = vi.spyOn(globalThis, 'fetch');
    const loaded = await Promise.all(Array.from({ length: 10 }, () => load(session)));
    for (const skus of loaded) expect(skus).toEqual(loaded[0]);
    expect(session.token).not.toBe(invalid);
    const refreshes = fetches.mock.calls.filter(([, init]) => String(init?.body).includes('refreshToken('));
    expect(refreshes).toHaveLength(1);
  });

  it('reports a refresh token that is invalid too', async () => {
    const session = new Session(http.url, { token: invalid, refreshToken: 'nothing' });
    const client = graphqlRequest.createRequestClient(session);
    await expect(graphqlRequest.loadAllProducts(client)).rejects.toThrow('refresh token');
  });

  describe('and live progress', () => {
    /** A platform admin's session; its refresh token is not used. */
    const admin = () => {
      const token = server.admin().authorization?.replace('Bearer ', '') ?? '';
      return new Session(http.url, { token, refreshToken: '' });
    };

    it.each([
      [
        'Apollo Client',
        (run: string, show: Show) => {
          const session = admin();
          return apollo.watchRun(apollo.createApolloClient(session, socketOf(session)), run, show);
        },
      ],
      [
        'Apollo Client without WebSockets',
        (run: string, show: Show) => apollo.watchRun(apollo.createApolloClient(admin()), run, show),
      ],
      [
        'urql',
        (run: string, show: Show) => {
          const session = admin();
          return urql.watchRun(urql.createUrqlClient(session, socketOf(session)), run, show);
        },
      ],
      ['graphql-ws', (run: string, show: Show) => webSocket.watchRun(socketOf(admin()), run, show)],
      [
        'graphql-sse',
        (run: string, show: Show) => serverSentEvents.watchRun(serverSentEvents.createEventsClient(admin()), run, show),
      ],
    ])('%s shows all events of a run until it ends', async (_name, watch) => {
      const start = 'mutation { runMigrations(input: { verify: true }) { id } }';
      const { data } = await http.ask<{ runMigrations: { id: string } }>(start, server.admin());
      const kinds: string[] = [];
      await watch(data?.runMigrations.id ?? '', (kind) => kinds.push(kind));
      expect(kinds.at(0)).toBe('RUN_STARTED');
      expect(kinds.at(-1)).toBe('RUN_ENDED');
    });
    type Show = (kind: string) => void;

    it('goes on with a new token when the connection is refused with the old one', async () => {
      const session = await expired();
      const results = socketOf(session).iterate<{ viewer: { tenant: { slug: string } } }>({
        query: '{ viewer { tenant { slug } } }',
      });
      for await (const { data } of results) expect(data).toEqual({ viewer: { tenant: { slug: 'acme' } } });
      expect(session.token).not.toBe(invalid);
    });
  });
});
