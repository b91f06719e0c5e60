import { AppError } from '../lib/errors.ts';
import { shortList } from '../lib/short-list.ts';
import { compareFacts, describeDifference, essential } from '../migrator/compare/differences.ts';
import { hashSchemaFacts, readSchemaFacts } from '../migrator/compare/schema-facts.ts';
import type { CopySide } from './session.ts';

/** How many differences a message names. */
const SHOWN = 5;

/** Returns a hash of the structure of a place's tables. */
export function hashStructure({ client, place }: CopySide): Promise<string> {
  return hashSchemaFacts(client, place.schema);
}

/**
 * Checks that the tables of both places have the same structure.
 * @returns its hash
 * @throws {AppError} CONFLICT with the differences
 */
export async function requireSameStructure(from: CopySide, to: CopySide): Promise<string> {
  const [one, other] = await Promise.all([hashStructure(from), hashStructure(to)]);
  if (one === other) return one;
  const [source, target] = await Promise.all(
    [from, to].map(({ client, place }) => readSchemaFacts(client, place.schema)),
  );
  const differences = essential(compareFacts(source ?? new Map(), target ?? new Map())).map((difference) =>
    describeDifference(difference, ['in the source', 'in the target']),
  );
  const { schema, database } = from.place;
  throw new AppError(
    'CONFLICT',
    `The tables of ${schema} in the database ${database} differ from what its migrations make, so they cannot be copied: ${shortList(differences, SHOWN)}. Undo what was changed by hand, or write a migration for it, and try again. \`tenantry drift\` shows such changes.`,
    { details: { differences: differences.slice(0, SHOWN) } },
  );
}
