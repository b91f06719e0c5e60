import type { DocumentNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';

/** The maximum size of the cache, in bytes. */
const MAX_BYTES = 32 * 1024 * 1024;

/**
 * The memory that graphql-js uses per token, including its part of the tree and what execution caches for it; measured
 * and rounded up.
 */
const BYTES_PER_TOKEN = 600;

/**
 * Creates a cache of parsed, valid documents, limited in bytes. Yoga's own cache counts documents instead of bytes, and
 * also keeps the errors of invalid ones, which can be larger than the documents themselves.
 */
export function createDocumentCache() {
  const documents = new LRUCache<string, DocumentNode>({ maxSize: MAX_BYTES, sizeCalculation: sizeOf });
  const dropInvalid: Plugin = {
    onValidate: ({ params: { documentAST } }) => {
      return ({ valid }) => {
        const text = documentAST.loc?.source.body;
        if (!valid && text !== undefined) documents.delete(text);
      };
    },
  };
  return { options: { documentCache: documents, errorCache: nothing }, dropInvalid };
}

const nothing = { get: () => undefined, set: () => {} };

function sizeOf(document: DocumentNode, text: string): number {
  let tokens = 0;
  for (let token = document.loc?.startToken; token; token = token.next ?? undefined) tokens += 1;
  return 2 * text.length + BYTES_PER_TOKEN * tokens;
}
