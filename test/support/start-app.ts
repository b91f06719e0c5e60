import { tmpdir } from 'node:os';
import path from 'node:path';
import type { GraphQLSchema } from 'graphql';
import { type Logger, pino } from 'pino';
import { createGraphqlServer } from '../../src/api/server.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { openConsole } from '../../src/console/console.ts';
import { openInstallation } from '../../src/installation/open.ts';
import { type Product, routesOf } from '../../src/installation/product.ts';
import type { Services } from '../../src/installation/services.ts';
import { buildSchema } from '../../src/server/build-schema.ts';
import { migrationDirs } from './child-env.ts';
import { giveBack, makeDataDir } from './cluster-copies.ts';
import { makeClusterDir, makeInstallationDir } from './empty-cluster.ts';
import { endPostgres } from './end-postgres.ts';
import { product as defaultProduct } from './product.ts';
import { startCluster } from './start-cluster.ts';

/** What a GraphQL server answers. */
export interface Answer<Data = Record<string, unknown>> {
  readonly data?: Data | null;
  readonly errors?: readonly {
    readonly message: string;
    readonly extensions: { readonly code?: string; readonly [detail: string]: unknown };
  }[];
}

/** An installation with a PostgreSQL of its own, and a way through its front door. */
export interface TestApp extends AsyncDisposable {
  readonly services: Services;
  readonly yoga: ReturnType<typeof createGraphqlServer>;
  /** What keeps tenants from being created, when that is found out. */
  readonly prepared: Promise<string | undefined>;
  /** Begins to stop, as a signal does. */
  beginStop(): void;
  ask(query: string, headers?: Record<string, string>): Promise<Answer>;
  admin: Record<string, string>;
  tokenFor(tenant: string): Promise<Record<string, string>>;
}

/** What a test may want otherwise than the server has it. */
export interface TestAppOptions {
  readonly log?: Logger;
  /** False: does not wait until tenants can be created. */
  readonly prepared?: boolean;
  /** True: the first start of all on its server. By default `tenantry setup` has been there. */
  readonly first?: boolean;
  /** For a test that has added fields to the builder. */
  readonly schema?: GraphQLSchema;
  /** For a test with entities of its own, whose migrations are in `TENANT_MIGRATIONS_DIR`; by default that of all tests. */
  readonly product?: Product;
}

/** With one of these it is another installation than `tenantry setup` has made. */
const ownSettings = ['DATABASE_URL', 'ROLE_SECRET', 'AUTH_DATABASE', 'CONSTANTS_DATABASE', 'SHARED_DATABASE'];

export async function startTestApp(env: Record<string, string> = {}, options: TestAppOptions = {}): Promise<TestApp> {
  await using stack = new AsyncDisposableStack();
  const first = options.first ?? ownSettings.some((name) => name in env);
  // An installation on another PostgreSQL has no cluster in its folder.
  const make = first ? makeClusterDir : makeInstallationDir;
  const dataDir = await ('DATABASE_URL' in env
    ? makeDataDir(path.join(tmpdir(), 'tenantry-test-'))
    : make('tenantry-test-'));
  stack.defer(() => giveBack(dataDir));
  const config = loadConfig({ NODE_ENV: 'test', DATA_DIR: dataDir, ...migrationDirs, ...env });
  // The installation joins it.
  if (!config.server) {
    await startCluster(dataDir);
    stack.defer(() => endPostgres(dataDir));
  }
  const app = stack.use(await openTestApp(config, options));
  const parts = stack.move();
  return { ...app, [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose]() };
}

/** Opens an installation that may be there already, and leaves its folder. */
export async function openTestApp(config: Config, options: TestAppOptions = {}): Promise<TestApp> {
  const { product = defaultProduct } = options;
  const app = await openInstallation(config, product, options.log ?? pino({ level: process.env.TEST_LOG ?? 'silent' }));
  if (options.prepared ?? true) await app.prepared;
  // `false` runs the tests of HTTP against Yoga alone, with which the server's own way must agree.
  const plainRequests = process.env.TEST_PLAIN_REQUESTS !== 'false';
  const schema = options.schema ?? (await buildSchema(product));
  const { routes: pages } = await openConsole(config);
  const yoga = createGraphqlServer(app.services, schema, { plainRequests, routes: await routesOf(product), pages });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  return {
    services: app.services,
    yoga,
    prepared: app.prepared,
    beginStop: () => app.beginStop(),
    async ask(query, headers = {}) {
      const response = await yoga.fetch('http://localhost/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ query }),
      });
      // The server answers GraphQL requests in this shape.
      return (await response.json()) as Answer;
    },
    // Where only an identity provider makes tokens, there is none.
    admin: app.services.tokens.canIssue
      ? bearer(await app.services.tokens.issue({ platformAdmin: true, expiresIn: '1h' }))
      : {},
    tokenFor: async (tenant) => bearer(await app.services.tokens.issue({ tenant, expiresIn: '1h' })),
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  };
}
