import { usePersistedOperations } from '@graphql-yoga/plugin-persisted-operations';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Config } from '../../config/config.ts';
import type { ErrorCode } from '../../lib/errors.ts';
import type { PersistedDocuments } from '../persisted-documents.ts';

/**
 * Runs documents that a request names by their id instead of sending them, in `extensions.persistedQuery.sha256Hash` or
 * `documentId`. Apollo Client knows two errors by their messages, PersistedQueryNotFound and PersistedQueryNotSupported.
 * After either it sends the document.
 * @see https://www.apollographql.com/docs/apollo-server/performance/apq
 */
export function usePersistedDocuments(
  mode: Config['graphql']['persistedDocuments'],
  documents: PersistedDocuments,
): Plugin {
  if (mode === 'off') return { onParams: refuseIds };
  return usePersistedOperations({
    allowArbitraryOperations: mode === 'also',
    getPersistedOperation: (id) => documents.get(id) ?? null,
    customErrors: {
      notFound: () => refusal('PersistedQueryNotFound', 'PERSISTED_QUERY_NOT_FOUND'),
      keyNotFound: () => refusal('Must provide query string or the id of a persisted document.', 'BAD_USER_INPUT', 400),
      persistedQueryOnly: () =>
        refusal('Only persisted documents are allowed. Send the id of one instead of a query.', 'FORBIDDEN', 403),
    },
  });
}

const refuseIds: NonNullable<Plugin['onParams']> = ({ params }) => {
  if (!params?.query && params?.extensions?.persistedQuery !== undefined)
    throw refusal('PersistedQueryNotSupported', 'PERSISTED_QUERY_NOT_SUPPORTED');
};

/** @param status the HTTP status; by default 200, because Apollo Client reads only the result */
function refusal(message: string, code: ErrorCode, status = 200): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status, spec: status !== 200 } } });
}
