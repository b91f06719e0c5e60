import { maxAliasesPlugin } from '@escape.tech/graphql-armor-max-aliases';
import { maxDepthPlugin } from '@escape.tech/graphql-armor-max-depth';
import { maxTokensPlugin } from '@escape.tech/graphql-armor-max-tokens';
import { type DocumentNode, visit } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Config } from '../../config/config.ts';
import { tooMuch } from '../errors.ts';
import { limitCost } from './use-cost-limit.ts';

/** What a document may ask for, in the order in which it is checked: the cheapest checks come first. */
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
      ...refuse(
        `The document has more than ${maxTokens} tokens. Send a shorter one, with values in variables, or several.`,
      ),
    }),
    limitFields(maxFields),
    maxDepthPlugin({
      n: maxDepth,
      ignoreIntrospection: true,
      ...refuse(`The document has a depth of more than ${maxDepth} levels. Ask for what is deeper in another request.`),
    }),
    maxAliasesPlugin({
      n: maxAliases,
      ...refuse(`The document has more than ${maxAliases} aliases. Ask in several requests.`),
    }),
    limitCost(maxCost),
  ];
}

/** Counts before validation, whose time grows with the square of the fields that are written with the same name. */
function limitFields(max: number): Plugin {
  // Yoga keeps what it has parsed, so that most documents have been counted before.
  const counted = new WeakMap<DocumentNode, number>();
  return {
    onParse: () => (parsed: { readonly result: unknown }) => {
      // What the parser throws comes as a result too.
      if (parsed.result instanceof Error) return;
      // The only other thing that a parser returns.
      const document = parsed.result as DocumentNode;
      const fields = counted.get(document) ?? countFields(document);
      counted.set(document, fields);
      if (fields > max) {
        throw tooMuch(
          `The document has ${fields} fields and fragment spreads, and ${max} is the limit. ` +
            'Write no field twice, use fragments for what is repeated, or ask in several requests.',
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
