import type { GraphiQLOptions } from 'graphql-yoga';
import type { Route } from './plugins/use-routes.ts';

/** The options that GraphiQL accepts; Yoga's types omit the initial contents of the editors. */
interface Page extends GraphiQLOptions {
  readonly query?: string;
  readonly initialHeaders?: string;
}

/**
 * The initial contents of the GraphiQL page.
 * @param url the page's address; GraphiQL keeps an edited document in its parameter `query`
 * @param headers the headers of every request, as a JSON string
 */
export function graphiqlPage(url: string, headers: string | undefined): Page {
  return {
    title: 'Tenantry',
    defaultQuery: firstSteps,
    // With only a default query, reloading the page would open an empty tab.
    ...(!new URL(url).searchParams.has('query') && { query: firstSteps }),
    ...(headers !== undefined && { initialHeaders: headers, defaultHeaders: headers }),
    // The browser must not send an old, expired token instead of the one in this page.
    shouldPersistHeaders: false,
  };
}

/** Redirects the server's root URL to GraphiQL. */
export const redirectToGraphiql: Route = ({ method }, fetchAPI) =>
  ['GET', 'HEAD'].includes(method)
    ? new fetchAPI.Response(null, { status: 302, headers: { location: '/graphql' } })
    : undefined;

/** Lines are short because the editor may take up only half of a small window. */
const firstSteps = `# Press play and choose an operation, from
# top to bottom. They use the token in Headers.

# 1. Create a tenant with its own database or,
#    with SCHEMA, its own schema.
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

# 3. Check every tenant and apply the
#    migrations that it is missing.
mutation Migrate {
  runMigrations(input: { verify: true }) {
    id
    status
    total
  }
}

# 4. Follow that run. Put its id into Variables:
#    { "run": "the id that Migrate returned" }
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

# To query a tenant's own data as an admin, add
#   "x-tenant": "acme"
# to Headers and use the fields of its modules.
`;
