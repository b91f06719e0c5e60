import { maxAliasesPlugin } from '@escape.tech/graphql-armor-max-aliases';
import { maxDepthPlugin } from '@escape.tech/graphql-armor-max-depth';
import { maxTokensPlugin } from '@escape.tech/graphql-armor-max-tokens';
import { type DocumentNode, visit } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Config } from '../../config/config.ts';
import { tooMuch } from '../errors.ts';
import { limitCost } from './use-cost-limit.ts';

/** The limits of a document, in the order in which they are checked: the cheapest checks come first. */
export function useDocumentLimits(limits: Config['graphql']): Plugin[] {
  const { maxTokens, maxFields, maxDepth, maxAliases, maxCost } = limits;
  const refuse = (message: string) => ({
    onReject: [
      () => {
        throw tooMuch(message);
      },
    ],
  });
  return [
    maxTokensPlugin({
      n: maxTokens,
      ...refuse(`The document has more than ${maxTokens} tokens. Pass values in variables, or split the document.`),
    }),
    limitFields(maxFields),
    maxDepthPlugin({
      n: maxDepth,
      ignoreIntrospection: true,
      ...refuse(`The document exceeds the maximum depth of ${maxDepth} levels. Request the deeper levels separately.`),
    }),
    maxAliasesPlugin({
      n: maxAliases,
      ...refuse(`The document has more than ${maxAliases} aliases. Split it into several requests.`),
    }),
    limitCost(maxCost),
  ];
}

/** Runs before validation, whose time grows with the square of the number of fields with the same name. */
function limitFields(max: number): Plugin {
  // Yoga caches parsed documents, so most have been counted before.
  const counted = new WeakMap<DocumentNode, number>();
  return {
    onParse: () => (parsed: { readonly result: unknown }) => {
      // An error of the parser is also passed as the result.
      if (parsed.result instanceof Error) return;
      // The parser returns nothing else.
      const document = parsed.result as DocumentNode;
      const fields = counted.get(document) ?? countFields(document);
      counted.set(document, fields);
      if (fields > max) {
        throw tooMuch(
          `The document has ${fields} fields and fragment spreads; the limit is ${max}. ` +
            'Do not repeat fields, use fragments for repeated selections, or split it into several requests.',
        );
      }
    },
  };
}

function countFields(document: DocumentNode): number {
  let fields = 0;
  const count = () => {
    fields += 1;
  };
  visit(document, { Field: count, FragmentSpread: count, InlineFragment: count });
  return fields;
}
