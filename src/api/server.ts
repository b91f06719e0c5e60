import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import type { GraphQLSchema } from 'graphql';
import { createYoga, type YogaServerInstance } from 'graphql-yoga';
import type { ModuleRoute } from '../installation/module-route.ts';
import type { Services } from '../installation/services.ts';
import { corsOf, isLocalHost } from './cors.ts';
import { validationErrors } from './errors.ts';
import { serveDistinctConnections } from './event-streams/distinct-connections.ts';
import { useEventStreams } from './event-streams/use-event-streams.ts';
import {
  type GraphiqlExamples,
  graphiqlPage,
  redirectToGraphiql,
  renderGraphiqlPage,
} from './graphiql/graphiql-page.ts';
import { createDocumentCache } from './limits/document-cache.ts';
import { largestLimits } from './limits/input-limits.ts';
import type { PersistedDocuments } from './persisted-documents.ts';
import { answerPlainRequests } from './plain-requests/plain-requests.ts';
import { jwksRoute } from './plugins/jwks-route.ts';
import { type MetricsPage, metricsRoute } from './plugins/metrics-route.ts';
import { readinessRoute } from './plugins/readiness-route.ts';
import { refuseIntrospection } from './plugins/refuse-introspection.ts';
import { useAnswerLimits } from './plugins/use-answer-limits.ts';
import { useCallerRevocation } from './plugins/use-caller-revocation.ts';
import { useDocumentLimits } from './plugins/use-document-limits.ts';
import { shareFairly } from './plugins/use-fair-shares.ts';
import { useJsonRequests } from './plugins/use-json-requests.ts';
import { useMultipartSubscriptions } from './plugins/use-multipart-subscriptions.ts';
import { useOperationLog } from './plugins/use-operation-log.ts';
import { usePersistedDocuments } from './plugins/use-persisted-documents.ts';
import { limitRequests } from './plugins/use-request-limits.ts';
import { useRequests } from './plugins/use-requests.ts';
import { type Route, useRoutes } from './plugins/use-routes.ts';
import { useTenantSuspension } from './plugins/use-tenant-suspension.ts';
import { useTokenExpiry } from './plugins/use-token-expiry.ts';
import { useUnbufferedStreams } from './plugins/use-unbuffered-streams.ts';
import { createRequestContext, type IncomingRequest, type RequestContext } from './request-context.ts';
import { refuseRequest } from './request-log.ts';
import { answerModuleRoutes } from './routes/module-routes.ts';
import { Admission } from './shares/admission.ts';

/** Options of the GraphQL server. */
export interface GraphqlServerOptions {
  /** What GraphiQL starts with. */
  readonly examples?: GraphiqlExamples;
  /** Admits operations; by default the server creates its own. */
  readonly admission?: Admission;
  /** The documents that clients can name by id; by default none. */
  readonly persistedDocuments?: PersistedDocuments;
  /** The routes of modules; by default none. */
  readonly routes?: readonly ModuleRoute[];
  /** Pages by their paths; by default none. */
  readonly pages?: Readonly<Record<string, Route>>;
  /** Receives connections whose bodies are transferred by a route; see {@link answerModuleRoutes}. */
  readonly streaming?: WeakSet<Socket>;
  /** The metrics, if this server shows them; by default it does not. */
  readonly metrics?: MetricsPage | undefined;
  /** False: Yoga handles plain requests too, for tests that compare. See {@link answerPlainRequests}. */
  readonly plainRequests?: boolean;
}

/** The GraphQL server: a request listener, and functions that run operations which arrived in other ways. */
export interface GraphqlServer
  extends RequestListener,
    Pick<YogaServerInstance<object, RequestContext>, 'fetch' | 'getResultForParams'> {}

/** Creates the GraphQL server. The plugins handle a request from top to bottom. */
export function createGraphqlServer(
  services: Services,
  schema: GraphQLSchema,
  {
    examples: { documents: exampleDocuments = [], localTokens } = {},
    admission = new Admission(services.config),
    persistedDocuments = new Map(),
    routes = [],
    pages = {},
    streaming = new WeakSet(),
    metrics,
    plainRequests = true,
  }: GraphqlServerOptions = {},
): GraphqlServer {
  const { graphql, http } = services.config;
  const documents = createDocumentCache();
  const cors = corsOf(http);
  const yoga = createYoga<object, RequestContext>({
    schema,
    graphqlEndpoint: '/graphql',
    healthCheckEndpoint: '/health/live',
    maxRequestBodySize: false,
    parserAndValidationCache: documents.options,
    multipart: false,
    batching: false,
    landingPage: false,
    logging: false,
    cors,
    graphiql:
      graphql.graphiql &&
      (({ url }) => graphiqlPage(exampleDocuments, isLocalHost(new URL(url).hostname) ? localTokens : undefined)),
    renderGraphiQL: renderGraphiqlPage,
    plugins: [
      useRequests(services),
      useUnbufferedStreams(),
      useMultipartSubscriptions(),
      useRoutes({
        '/health/ready': readinessRoute(services),
        '/.well-known/jwks.json': jwksRoute(services.publishedKeys),
        ...(graphql.graphiql && { '/': redirectToGraphiql }),
        ...(metrics && { '/metrics': metricsRoute(metrics) }),
        ...pages,
      }),
      useEventStreams({ services, schema, admission }),
      useJsonRequests(http.maxBodyBytes),
      usePersistedDocuments(graphql.persistedDocuments, persistedDocuments),
      limitRequests({ maxDocumentBytes: graphql.maxDocumentBytes, largest: largestLimits(schema) }),
      documents.dropInvalid,
      ...(graphql.introspection ? [] : [refuseIntrospection()]),
      ...useDocumentLimits(graphql),
      shareFairly(admission),
      useAnswerLimits(),
      useTokenExpiry(),
      useCallerRevocation(),
      useTenantSuspension(),
      useOperationLog(),
      validationErrors({ hideSuggestions: !graphql.introspection }),
    ],
    context: (initial: IncomingRequest) => createRequestContext(services, initial),
    maskedErrors: {
      maskError: (error) => refuseRequest(error, services.log),
    },
  });
  const graphqlListener = serveDistinctConnections(
    plainRequests ? answerPlainRequests(yoga, services, cors !== false) : yoga,
  );
  const listener = answerModuleRoutes(graphqlListener, { services, admission, routes, streaming });
  const { fetch, getResultForParams } = yoga;
  return Object.assign((...args: Parameters<RequestListener>) => listener(...args), { fetch, getResultForParams });
}
