import type { GraphiQLOptions } from 'graphql-yoga';
import type { Route } from '../plugins/use-routes.ts';
import { asOwner, firstSteps } from './first-steps.ts';
import { openGraphiql, type Page, scripts } from './in-browser.ts';

/** What GraphiQL starts with. */
export interface GraphiqlExamples {
  /** GraphQL operations on a tenant's data, a document for each tab. */
  readonly documents?: readonly string[] | undefined;
  /**
   * Tokens for the headers. They are shown only if the page was requested under a name of this machine itself: another
   * site could make its own name resolve to this machine and read them.
   */
  readonly localTokens?: LocalTokens | undefined;
}

/** Tokens that the page shows in development. */
export interface LocalTokens {
  /** A platform admin's token. */
  readonly admin: string;
  /** The token of the example tenant's owner; undefined if tokens cannot make their bearers members. */
  readonly owner: string | undefined;
}

/**
 * The initial contents of the GraphiQL page.
 * @param tokens for the headers; undefined: the page must not show any
 */
export function graphiqlPage(documents: readonly string[], tokens: LocalTokens | undefined): Page {
  const admin = headersWith(tokens?.admin);
  const owner = headersWith(tokens?.owner);
  return {
    title: 'Tenantry',
    defaultTabs: [
      { query: firstSteps, headers: admin },
      ...documents.map((document) => ({ query: (tokens?.owner ? asOwner : '') + document, headers: owner })),
    ],
    defaultHeaders: admin,
    // Each tab has its own. The page replaces the tokens that have become old.
    shouldPersistHeaders: tokens !== undefined,
    tokens: [tokens?.admin, tokens?.owner].filter((token) => token !== undefined),
  };
}

function headersWith(token: string | undefined): string {
  return token === undefined ? '' : JSON.stringify({ authorization: `Bearer ${token}` }, null, 2);
}

/** What starts GraphiQL in the page of the package. */
const start = 'YogaGraphiQL.renderYogaGraphiQL(';

/** Renders the page. */
export async function renderGraphiqlPage(page: GraphiQLOptions): Promise<string> {
  // Loaded late: it is nine megabytes that only browsers need.
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const html = renderGraphiQL(page);
  const at = html.lastIndexOf(start);
  if (at < 0) throw new Error(`The page of @graphql-yoga/render-graphiql does not contain ${start}`);
  return `${html.slice(0, at)}${scripts}\n${openGraphiql.name}(${html.slice(at + start.length)}`;
}

/** Redirects the server's root URL to GraphiQL. */
export const redirectToGraphiql: Route = ({ method }, fetchAPI) =>
  ['GET', 'HEAD'].includes(method)
    ? new fetchAPI.Response(null, { status: 302, headers: { location: '/graphql' } })
    : undefined;
