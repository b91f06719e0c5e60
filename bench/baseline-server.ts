/**
 * The server that a team would write without Tenantry: Yoga, Pothos and MikroORM with the same limits, log line and token. It uses
 * one fixed database or, if BASELINE_DATABASES has several, a Map with a MikroORM for each tenant.
 */
import { createServer } from 'node:http';
import { maxAliasesPlugin } from '@escape.tech/graphql-armor-max-aliases';
import { maxDepthPlugin } from '@escape.tech/graphql-armor-max-depth';
import { maxTokensPlugin } from '@escape.tech/graphql-armor-max-tokens';
import { type EntityManager, MikroORM } from '@mikro-orm/postgresql';
import { createYoga } from 'graphql-yoga';
import { jwtVerify } from 'jose';
import { pino } from 'pino';
import { refuseIntrospection } from '../src/api/plugins/refuse-introspection.ts';
import { useOperationLog } from '../src/api/plugins/use-operation-log.ts';
import { useRequests } from '../src/api/plugins/use-requests.ts';
import { currentRequestId } from '../src/api/request-log.ts';
import { loadConfig } from '../src/config/config.ts';
import { noMeters } from '../src/telemetry/meters.ts';
import { currentRequest } from '../src/telemetry/request-record.ts';
import { TenantLoads } from '../src/telemetry/tenant-load.ts';
import { baselineSchema, ProductSchema } from './baseline-schema.ts';

const config = loadConfig(process.env);
const { graphql, connections, http, logLevel } = config;
const log = pino({ level: logLevel });
const key = new TextEncoder().encode(process.env.JWT_SECRET);
// The benchmark sets it: database URLs by slug.
const urls = JSON.parse(process.env.BASELINE_DATABASES ?? '{}') as Record<string, string>;
const fork = Object.keys(urls).length === 1 ? await oneDatabase(Object.values(urls)[0] ?? '') : mapOfDatabases();

const yoga = createYoga({
  schema: baselineSchema,
  healthCheckEndpoint: '/health/ready',
  maxRequestBodySize: http.maxBodyBytes,
  multipart: false,
  batching: false,
  landingPage: false,
  logging: 'error',
  graphiql: false,
  cors: false,
  plugins: [
    useRequests({ config, log, meters: noMeters, loads: new TenantLoads() }),
    refuseIntrospection(),
    maxTokensPlugin({ n: graphql.maxTokens, exposeLimits: true }),
    maxDepthPlugin({ n: graphql.maxDepth, ignoreIntrospection: true }),
    maxAliasesPlugin({ n: graphql.maxAliases }),
    useOperationLog(),
  ],
  context: async ({ request }) => {
    const token = request.headers.get('authorization')?.replace('Bearer ', '') ?? '';
    const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'], clockTolerance: 5 });
    const tenant = String(payload.tenant);
    const ownLog = log.child({ requestId: currentRequestId() });
    const record = currentRequest();
    if (record) record.log = ownLog;
    return {
      tenant,
      em: await fork(tenant),
      log: ownLog,
      release: () => Promise.resolve(),
    };
  },
});
createServer(yoga).listen(Number(process.env.PORT), process.env.HOST);

async function oneDatabase(clientUrl: string): Promise<() => EntityManager> {
  const orm = await open(clientUrl);
  return () => orm.em.fork();
}

function mapOfDatabases(): (tenant: string) => Promise<EntityManager> {
  const orms = new Map<string, Promise<MikroORM>>();
  return async (tenant) => {
    const orm = orms.get(tenant) ?? open(urls[tenant] ?? '');
    orms.set(tenant, orm);
    return (await orm).em.fork();
  };
}

function open(clientUrl: string): Promise<MikroORM> {
  return MikroORM.init({ entities: [ProductSchema], clientUrl, pool: { max: connections.tenantPoolSize } });
}
