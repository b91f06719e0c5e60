import type { DocumentNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';

/** What all documents that are kept may take, in bytes. */
const MAX_BYTES = 32 * 1024 * 1024;

/** What graphql-js takes for a token with its part of the tree, and for what execution remembers of it; measured, and rounded up. */
const BYTES_PER_TOKEN = 600;

/**
 * Keeps documents that were parsed and found valid, as many as fit into some megabytes. Yoga's own cache counts documents, not
 * bytes, and keeps what is wrong with the others, which can be more than they are themselves.
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
