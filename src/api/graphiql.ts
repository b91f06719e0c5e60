import type { GraphiQLOptions } from 'graphql-yoga';
import type { Route } from './plugins/use-routes.ts';

/** What GraphiQL understands; Yoga's types leave out what the editors hold at first. */
interface Page extends GraphiQLOptions {
  readonly query?: string;
  readonly initialHeaders?: string;
}

/**
 * What the page of GraphiQL shows at first.
 * @param url the page's address; GraphiQL keeps an edited document in its parameter `query`
 * @param headers of every request, as text of JSON
 */
export function graphiqlPage(url: string, headers: string | undefined): Page {
  return {
    title: 'Tenantry',
    defaultQuery: firstSteps,
    // With a default query alone, a page that is loaded again would open an empty tab.
    ...(!new URL(url).searchParams.has('query') && { query: firstSteps }),
    ...(headers !== undefined && { initialHeaders: headers, defaultHeaders: headers }),
    // A browser must not send yesterday's token, which has expired, instead of the one that this page brings.
    shouldPersistHeaders: false,
  };
}

/** Leads whoever opens the server's bare address to GraphiQL. */
export const redirectToGraphiql: Route = ({ method }, fetchAPI) =>
  ['GET', 'HEAD'].includes(method)
    ? new fetchAPI.Response(null, { status: 302, headers: { location: '/graphql' } })
    : undefined;

/** Lines are short, since half of a small window is all that they get. */
const firstSteps = `# Press play and choose an operation, from the
# top down. They need the token under Headers.

# 1. Give a tenant a database of its own
#    or, with SCHEMA, a schema of its own.
mutation CreateTenant {
  createTenant(input: {
    slug: "acme"
    name: "Acme"
    isolation: DATABASE
  }) {
    id
    placement { server database schema }
    version
  }
}

# 2. List the tenants.
query Fleet {
  tenants {
    nodes { slug isolation status version behind }
  }
}

# 3. Look into every tenant, and apply the
#    migrations that it lacks.
mutation Migrate {
  runMigrations(input: { verify: true }) {
    id
    status
    total
  }
}

# 4. Watch that run. Put its id into Variables:
#    { "run": "the id that Migrate answered" }
subscription Progress($run: ID!) {
  migrationProgress(run: $run) {
    seq
    kind
    tenant { slug }
    migration
    message
    done
    total
  }
}

# To ask for a tenant's own data as an admin, add
#   "x-tenant": "acme"
# to Headers, and query what its module offers.
`;
