import { type Client, createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { registerText } from '../support/accounts.ts';
import { type EndlessRun, startEndlessRun } from '../support/endless-run.ts';
import { forge, hs256, now } from '../support/forge-token.ts';
import type { HttpClient } from '../support/http-client.ts';
import { ownInstallation, type ServerProcess, startServer } from '../support/server-process.ts';
import type { Answer } from '../support/start-app.ts';
import type { TestPostgres } from '../support/start-postgres.ts';
import { startWatchedServer } from '../support/watched-server.ts';
import { webSocketOutcome } from '../support/websocket-outcome.ts';

describe('a WebSocket', () => {
  let endless: EndlessRun;
  let folder: string;
  let postgres: TestPostgres;
  let server: ServerProcess;
  let http: HttpClient;
  let run: string;
  const clients: Client[] = [];
  beforeAll(async () => {
    endless = await startEndlessRun({ INTROSPECTION: 'off' });
    ({ folder, postgres, server, http, run } = endless);
  });
  afterAll(async () => {
    for (const client of clients) await end(client);
    await endless?.[Symbol.asyncDispose]();
  });

  const address = () => http.url.replace('http:', 'ws:');
  const tokenOf = (claims: object) =>
    forge({ alg: 'HS256' }, { exp: now() + 3600, ...claims }, hs256(postgres.env.JWT_SECRET));
  const progress = () => `subscription { migrationProgress(run: "${run}") { seq kind } }`;

  /** A client as a frontend has it, and the codes with which its connections were closed. */
  function connect(connectionParams: () => Record<string, string> = () => ({}), url = address()) {
    const closed: { code: number; reason: string }[] = [];
    const client = createClient({
      url,
      webSocketImpl: WebSocket,
      connectionParams,
      lazy: false,
      retryAttempts: 5,
      retryWait: async () => undefined,
      onNonLazyError: () => undefined,
      on: { closed: (event) => closed.push(event as { code: number; reason: string }) },
    });
    clients.push(client);
    return { client, closed };
  }

  /** Clients that were refused report it again when they are disposed of. */
  const end = async (client: Client) => Promise.resolve(client.dispose()).catch(() => undefined);

  /** The first result of an operation. */
  async function ask(client: Client, query: string, variables: Record<string, unknown> = {}): Promise<Answer> {
    for await (const result of client.iterate({ query, variables })) return result as Answer;
    throw new Error('The operation ended without a result');
  }

  it('carries queries and mutations of the caller that its parameters name', async () => {
    const { client } = connect(() => server.admin());
    expect(await ask(client, '{ tenants { nodes { slug } } }')).toEqual({
      data: { tenants: { nodes: [{ slug: 'acme' }] } },
    });
    const rename = 'mutation ($name: String!) { updateTenant(input: { id: "acme", name: $name }) { name } }';
    expect(await ask(client, rename, { name: 'Acme Inc.' })).toEqual({ data: { updateTenant: { name: 'Acme Inc.' } } });
    const member = connect(() => ({ Authorization: `Bearer ${tokenOf({ tenant: 'acme' })}` })).client;
    expect(await ask(member, '{ products { totalCount } }')).toEqual({ data: { products: { totalCount: 0 } } });
    expect((await ask(member, '{ tenants { totalCount } }')).errors?.[0]?.extensions).toEqual({ code: 'FORBIDDEN' });
    const admin = connect(() => ({ ...server.admin(), 'x-tenant': 'acme' })).client;
    expect(await ask(admin, '{ products { totalCount } }')).toEqual({ data: { products: { totalCount: 0 } } });
    expect(await ask(connect().client, '{ currencies { code } }')).toMatchObject({
      data: { currencies: expect.arrayContaining([{ code: 'EUR' }]) },
    });
  });

  it('answers an invalid operation with the errors that HTTP has, and goes on', async () => {
    const { client, closed } = connect(() => server.admin());
    const long = `# ${'x'.repeat(30_000)}\n{ health { status } }`;
    for (const query of ['{ nothing }', '{ tenants(', long, '{ __schema { queryType { name } } }']) {
      const { errors } = (await http.post({ query }, server.admin())).body;
      expect(errors?.length).toBeGreaterThan(0);
      const refused = ask(client, query).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(await refused).toMatchObject(errors?.map(({ message, extensions }) => ({ message, extensions })) ?? []);
    }
    expect(await ask(client, '{ tenants { totalCount } }')).toMatchObject({ data: {} });
    expect(closed).toEqual([]);
  });

  it('streams the progress of a run until the client has enough', async () => {
    const { client } = connect(() => server.admin());
    const events = client.iterate<{ migrationProgress: { seq: number } }>({ query: progress() });
    expect((await events.next()).value).toMatchObject({ data: { migrationProgress: { seq: 1 } } });
    await events.return?.();
    expect(await ask(client, '{ tenants { totalCount } }')).toMatchObject({ data: {} });
  });

  it('is refused with an invalid token, and with the reason', async () => {
    const { closed } = connect(() => ({ authorization: 'Bearer nonsense' }));
    await vi.waitUntil(() => closed.length > 0);
    expect(closed[0]).toMatchObject({ code: 4403, reason: 'The token cannot be verified' });
  });

  it('ends shortly before its token expires, and its subscriptions continue with a new one', async () => {
    const lifetimes = [4, 3600];
    const { client, closed } = connect(() => ({
      authorization: `Bearer ${tokenOf({ platform_admin: true, exp: now() + (lifetimes.shift() ?? 3600) })}`,
    }));
    const seen: unknown[] = [];
    client.subscribe(
      { query: progress() },
      { next: (event) => seen.push(event.data), error: (error) => seen.push(error), complete: () => seen.push('over') },
    );
    await vi.waitUntil(() => closed.length > 0 && seen.length > 1);
    expect(closed[0]).toMatchObject({ code: 4403, reason: expect.stringContaining('The token expires') });
    // The second connection sends the same events again.
    const first = { migrationProgress: { seq: 1, kind: expect.any(String) } };
    expect([seen[0], seen.filter((event) => event === 'over')]).toEqual([first, []]);
    expect(seen.filter((event) => JSON.stringify(event) === JSON.stringify(seen[0]))).toHaveLength(2);
  });

  it('says why a subscription ends whose user is no longer an admin', async () => {
    const registered = await http.ask<{ register: { token: string; viewer: { user: { id: string } } } }>(
      registerText('ada@example.com'),
    );
    const { token, viewer } = registered.data?.register ?? expect.unreachable();
    const setAdmin = (isAdmin: boolean) =>
      http.ask(
        `mutation { setPlatformAdmin(user: "${viewer.user.id}", isPlatformAdmin: ${isAdmin}) { id } }`,
        server.admin(),
      );
    await setAdmin(true);
    const { client, closed } = connect(() => ({ authorization: `Bearer ${token}` }));
    const results: unknown[] = [];
    for await (const result of client.iterate({ query: progress() })) {
      results.push(result.errors?.[0]?.extensions?.code);
      if (results.length === 1) await setAdmin(false);
    }
    expect(results.at(-1)).toBe('FORBIDDEN');
    expect(closed).toEqual([]);
  });

  /** Opens a plain connection; see {@link webSocketOutcome}. */
  const outcome = (messages: readonly string[], url = address(), protocol?: string) =>
    webSocketOutcome(url, messages, protocol);

  const init = JSON.stringify({ type: 'connection_init' });
  const operation = (id: string, query: string) => JSON.stringify({ id, type: 'subscribe', payload: { query } });
  it.each<[string, number, () => Promise<number>]>([
    ['is too large', 1009, () => outcome([init, operation('1', 'x'.repeat(200_000))])],
    [
      'has too many values',
      4400,
      () => outcome([`{"type":"connection_init","payload":{"a":[${'[],'.repeat(20_000)}1]}}`]),
    ],
    ['is no JSON', 4400, () => outcome(['{'])],
    ['is unknown', 4400, () => outcome([init, '{"type":"start"}'])],
    ['comes before the caller is known', 4401, () => outcome([operation('1', '{ health { status } }')])],
    [
      'starts an operation twice',
      4409,
      // The first one must not have ended when the second one arrives.
      () =>
        outcome([
          JSON.stringify({ type: 'connection_init', payload: server.admin() }),
          operation('1', progress()),
          operation('1', progress()),
        ]),
    ],
    ['does not come in time', 4408, () => outcome([])],
    ['asks for another path', 404, () => outcome([], address().replace('graphql', 'other'))],
  ])('is closed, and nothing else, when a message %s', async (_name, code, closing) => {
    const { closed, client } = connect(() => server.admin());
    expect(await closing()).toBe(code);
    expect(await ask(client, '{ tenants { totalCount } }')).toMatchObject({ data: {} });
    expect(closed).toEqual([]);
  });

  it('is closed when a message comes in too many pieces', async () => {
    const socket = new WebSocket(address(), 'graphql-transport-ws');
    const closed = new Promise((resolve) => socket.on('close', resolve));
    await new Promise((resolve) => socket.on('open', resolve));
    for (let count = 0; count < 300; count += 1) socket.send(' ', { fin: false });
    expect(await closed).toBe(1008);
  });

  it('is refused with a host that is none, and requests that offer another protocol are answered', async () => {
    const offer = {
      connection: 'Upgrade',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    };
    const answer = await http.get('/graphql', { ...offer, upgrade: 'websocket', host: 'a b' });
    expect(answer.status).toBe(400);
    const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' };
    expect((await http.get('/health/live', headers)).status).toBe(200);
  });

  it('speaks no other protocol', async () => {
    await expect(outcome([], address(), 'soap')).rejects.toThrow('no subprotocol');
  });

  it('carries a limited number of operations', async () => {
    const { client } = connect(() => server.admin());
    const results: unknown[] = [];
    for (let index = 0; index < 101; index += 1) {
      const sink = { next: () => undefined, error: (error: unknown) => results.push(error), complete: () => undefined };
      client.subscribe({ query: progress() }, sink);
    }
    await vi.waitUntil(() => results.length > 0);
    expect(results).toEqual([[expect.objectContaining({ extensions: { code: 'RATE_LIMITED', retryAfterMs: 1000 } })]]);
  });

  it('is one of a limited number of a caller, and of a network whose clients say nothing', async () => {
    const authorization = `Bearer ${tokenOf({ sub: 'somebody', tenant: 'acme' })}`;
    const open = Array.from({ length: 21 }, () => connect(() => ({ authorization })));
    await vi.waitUntil(() => open.some(({ closed }) => closed.length > 0));
    expect(open.flatMap(({ closed }) => closed)[0]).toMatchObject({
      code: 1013,
      reason: expect.stringContaining('Too many'),
    });
    for (const { client } of open) await end(client);
    const silent = Array.from({ length: 60 }, () => outcome([]));
    expect(await Promise.race(silent)).toBe(503);
    expect((await Promise.all(silent)).filter((code) => code === 503).length).toBeGreaterThanOrEqual(10);
    expect(await ask(connect(() => server.admin()).client, '{ tenants { totalCount } }')).toMatchObject({ data: {} });
  });

  it('answers an operation with a long id, and completes only the one that is named', async () => {
    const socket = new WebSocket(address(), 'graphql-transport-ws');
    const received: { id?: string; type: string; payload?: unknown }[] = [];
    socket.on('message', (data) => received.push(JSON.parse(String(data))));
    const send = (message: object) => socket.send(JSON.stringify(message));
    const of = (id: string) => received.filter((message) => message.id === id);
    await new Promise((resolve) => socket.on('open', resolve));
    send({ type: 'connection_init', payload: server.admin() });
    await vi.waitUntil(() => received.length > 0);
    const long = 'x'.repeat(201);
    for (const id of [long, 'complete', 'other']) send({ id, type: 'subscribe', payload: { query: progress() } });
    await vi.waitUntil(() => ['complete', 'other'].every((id) => of(id).length > 0) && of(long).length > 0);
    expect(of(long)[0]).toMatchObject({ type: 'error', payload: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
    send({ id: 'other', type: 'complete' });
    // Its end ends the progress that no test needs after this one.
    await http.ask(`mutation { cancelMigrationRun(id: "${run}") { id } }`, server.admin());
    await vi.waitUntil(() => of('complete').at(-1)?.type === 'complete');
    expect(of('other').map(({ type }) => type)).not.toContain('complete');
    socket.terminate();
  });

  it('is closed when the server stops, so that its client connects elsewhere', async () => {
    await using stopping = startServer({ ...ownInstallation(postgres, folder), WORKER: 'off' });
    const other = await stopping.listening();
    const { client, closed } = connect(() => stopping.admin(), other.url.replace('http:', 'ws:'));
    await ask(client, '{ health { status } }');
    stopping.signal('SIGTERM');
    await vi.waitUntil(() => closed.length > 0);
    expect(closed[0]).toMatchObject({ code: 1001, reason: 'The server is stopping' });
    expect(await stopping.ended).toEqual({ code: 0, signal: null });
  });

  it('costs little while nothing happens: a thousand take less than 50 MB', async () => {
    await using watched = await startWatchedServer({
      ...ownInstallation(postgres, folder),
      CALLER_SUBSCRIPTIONS: '2000',
      TENANT_SUBSCRIPTIONS: '2000',
    });
    const url = (await watched.listening()).url.replace('http:', 'ws:');
    const payload = { type: 'connection_init', payload: watched.admin() };
    const open = (count: number) =>
      Promise.all(
        Array.from(
          { length: count },
          () =>
            new Promise<WebSocket>((resolve, reject) => {
              const socket = new WebSocket(url, 'graphql-transport-ws');
              socket.on('open', () => socket.send(JSON.stringify(payload)));
              socket.on('message', () => resolve(socket));
              socket.on('error', reject);
            }),
        ),
      );
    const sockets = await open(40);
    const before = await watched.bytesInUse();
    for (let round = 0; round < 25; round += 1) sockets.push(...(await open(40)));
    expect((await watched.bytesInUse()) - before).toBeLessThan(50 * 1024 * 1024);
    for (const socket of sockets) socket.terminate();
  });
});
