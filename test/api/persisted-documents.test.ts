import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { invalidDocuments, readPersistedDocuments } from '../../src/api/persisted-documents.ts';
import { createGraphqlServer } from '../../src/api/server.ts';
import type { Config } from '../../src/config/config.ts';
import { type Listening, listen } from '../support/listen.ts';
import { buildTestSchema } from '../support/product.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const persistedQuery = (sha256Hash: string) => ({ extensions: { persistedQuery: { version: 1, sha256Hash } } });
const known = 'query Name { server { name } }';
const named = { data: { server: { name: 'Tenantry' } } };
type Mode = Config['graphql']['persistedDocuments'];

describe('persisted documents', () => {
  let app: TestApp;
  let folder: string;
  const servers = new Map<Mode, Listening>();
  const server = (mode: Mode) => servers.get(mode) ?? expect.unreachable();
  beforeAll(async () => {
    app = await startTestApp();
    folder = await mkdtemp(path.join(tmpdir(), 'tenantry-documents-'));
    const file = path.join(folder, 'documents.json');
    await writeFile(
      file,
      JSON.stringify({ [sha256(known)]: known, short: 'query ($a: ID!) { tenant(id: $a) { id } }' }),
    );
    const persistedDocuments = await readPersistedDocuments(file);
    for (const mode of ['off', 'also', 'only'] as const) {
      const { config } = app.services;
      const services = {
        ...app.services,
        config: { ...config, graphql: { ...config.graphql, persistedDocuments: mode } },
      };
      servers.set(mode, await listen(createGraphqlServer(services, await buildTestSchema(), { persistedDocuments })));
    }
  });
  afterAll(async () => {
    for (const each of servers.values()) await each[Symbol.asyncDispose]();
    await app[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(['also', 'only'] as const)('are run by their ids, however they are sent: %s', async (mode) => {
    expect((await server(mode).post(persistedQuery(sha256(known)))).body).toEqual(named);
    expect((await server(mode).post({ documentId: sha256(known) })).body).toEqual(named);
    const extensions = encodeURIComponent(JSON.stringify(persistedQuery(sha256(known)).extensions));
    expect((await server(mode).get(`/graphql?extensions=${extensions}`)).body).toEqual(named);
  });

  it('get variables and are authorized as others are', async () => {
    const request = { documentId: 'short', variables: { a: '00000000-0000-0000-0000-000000000000' } };
    expect((await server('only').post(request)).code).toBe('UNAUTHENTICATED');
    expect((await server('only').post(request, app.admin)).body).toEqual({ data: { tenant: null } });
    expect((await server('only').post({ documentId: 'short' }, app.admin)).code).toBe('BAD_USER_INPUT');
  });

  it.each<[Mode, object, string]>([
    ['off', persistedQuery(sha256(known)), 'PERSISTED_QUERY_NOT_SUPPORTED'],
    ['off', { documentId: 'short' }, 'PERSISTED_QUERY_NOT_SUPPORTED'],
    ['also', persistedQuery('unknown'), 'PERSISTED_QUERY_NOT_FOUND'],
    ['only', persistedQuery('unknown'), 'PERSISTED_QUERY_NOT_FOUND'],
    ['only', persistedQuery('__proto__'), 'PERSISTED_QUERY_NOT_FOUND'],
    ['only', { query: known }, 'FORBIDDEN'],
    ['only', { query: known, ...persistedQuery(sha256(known)) }, 'FORBIDDEN'],
    ['only', {}, 'BAD_USER_INPUT'],
    ['also', {}, 'BAD_USER_INPUT'],
    ['also', { extensions: { persistedQuery: 5 } }, 'BAD_USER_INPUT'],
    ['off', {}, 'BAD_USER_INPUT'],
  ])('%s: %j gets %s', async (mode, request, code) => {
    expect((await server(mode).post(request)).code).toBe(code);
  });

  it('leave other documents allowed, unless only they are', async () => {
    for (const mode of ['off', 'also'] as const) {
      expect((await server(mode).post({ query: known })).body).toEqual(named);
    }
  });

  it.each(['off', 'also', 'only'] as const)(
    "and Apollo Client's automatic persisted queries work as its manual says: %s",
    async (mode) => {
      const bodies: string[] = [];
      const link = new HttpLink({
        uri: server(mode).url,
        fetch: async (input, init) => {
          bodies.push(String(init?.body));
          return fetch(input, init);
        },
      });
      const client = new ApolloClient({
        link: new PersistedQueryLink({ sha256 }).concat(link),
        cache: new InMemoryCache(),
        defaultOptions: { query: { fetchPolicy: 'network-only' } },
      });
      const query = gql`query Other { server { name version } }`;
      if (mode === 'only') {
        await expect(client.query({ query })).rejects.toThrow('Only persisted documents');
        return;
      }
      for (let times = 0; times < 2; times += 1) {
        expect((await client.query({ query })).data).toMatchObject({ server: { name: 'Tenantry' } });
      }
      // The first request has only the hash. Where it is not supported, the client no longer tries.
      expect(bodies.map((body) => body.includes('"query"'))).toEqual(
        mode === 'off' ? [false, true, true] : [false, true, false, true],
      );
    },
  );

  it('are read from a folder of files', async () => {
    const several = path.join(folder, 'several');
    await mkdir(several);
    await writeFile(path.join(several, 'a.json'), JSON.stringify({ one: '{ server { name } }' }));
    await writeFile(path.join(several, 'two.graphql'), '{ server { nothing } }');
    await writeFile(path.join(several, 'README.md'), 'not a document');
    const documents = await readPersistedDocuments(several);
    expect([...documents.keys()]).toEqual(['one', 'two']);
    expect(invalidDocuments(documents, await buildTestSchema())).toEqual([
      expect.stringMatching(/^the persisted document two is invalid: Cannot query field "nothing"/),
    ]);
  });

  it.each([
    ['{', /broken\.json is not JSON/],
    ['[]', /must be a JSON object that maps ids to GraphQL documents/],
    ['{"a": 1}', /must be a JSON object that maps ids to GraphQL documents/],
  ])('that cannot be read are refused with the name of the file: %s', async (text, message) => {
    const file = path.join(folder, 'broken.json');
    await writeFile(file, text);
    await expect(readPersistedDocuments(file)).rejects.toThrow(message);
    await expect(readPersistedDocuments(path.join(folder, 'missing.json'))).rejects.toThrow(/missing\.json/);
  });
});
