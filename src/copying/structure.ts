import { AppError } from '../lib/errors.ts';
import { shortList } from '../lib/short-list.ts';
import { compareFacts, describeDifference, essential } from '../migrator/compare/differences.ts';
import { hashSchemaFacts, readSchemaFacts } from '../migrator/compare/schema-facts.ts';
import type { CopyPlace } from './place.ts';
import { together } from './together.ts';

/** How many differences a message names. */
const SHOWN = 5;

/** Returns a hash of the structure of a place's tables. */
export function hashStructure(place: CopyPlace, signal: AbortSignal): Promise<string> {
  return place.use((client) => hashSchemaFacts(client, place.schema), signal);
}

/**
 * Checks that the tables of both places have the same structure.
 * @returns its hash
 * @throws {AppError} CONFLICT with the differences
 */
export async function requireSameStructure(from: CopyPlace, to: CopyPlace, signal: AbortSignal): Promise<string> {
  const places = [from, to];
  const [one = '', other] = await together(
    signal,
    places.map((place) => (ended) => hashStructure(place, ended)),
  );
  if (one === other) return one;
  const [source = new Map(), target = new Map()] = await together(
    signal,
    places.map((place) => (ended) => place.use((client) => readSchemaFacts(client, place.schema), ended)),
  );
  const differences = essential(compareFacts(source, target)).map((difference) =>
    describeDifference(difference, ['in the source', 'in the target']),
  );
  throw new AppError(
    'CONFLICT',
    `The tables of ${from.schema} in the database ${from.database} are not what its migrations make, so they cannot be copied: ${shortList(differences, SHOWN)}. Undo what was changed by hand, or write a migration for it, and try again. \`tenantry drift\` shows such changes.`,
    { details: { differences: differences.slice(0, SHOWN) } },
  );
}
