import { settings } from './settings.ts';

/** An unknown name and the setting with the most similar name. */
export interface SettingTypo {
  readonly name: string;
  readonly meant: string;
}

/** Names up to this length may differ from a setting by one letter, longer ones by two. */
const SHORT = 8;

/** Finds names that are probably typos of settings, ignoring case. */
export function findTypos(names: readonly string[]): readonly SettingTypo[] {
  const known = Object.keys(settings);
  return names
    .filter((name) => !known.includes(name))
    .flatMap((name) => {
      const distances = known.map((setting) => ({ meant: setting, distance: distance(name.toUpperCase(), setting) }));
      const [nearest] = distances.sort((one, other) => one.distance - other.distance);
      if (!nearest || nearest.distance > (name.length > SHORT ? 2 : 1)) return [];
      return [{ name, meant: nearest.meant }];
    });
}

/**
 * Counts the letters to insert, delete, replace or swap with the next one. A swap such as PROT counts once, unlike in the
 * plain Levenshtein distance.
 * @see https://en.wikipedia.org/wiki/Damerau–Levenshtein_distance "Optimal string alignment distance"
 */
function distance(from: string, to: string): number {
  let before: readonly number[] = [];
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const costs = [row];
    const at = (list: readonly number[], column: number) => list[column] ?? Number.POSITIVE_INFINITY;
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      costs[column] = Math.min(
        at(above, column) + 1,
        at(costs, column - 1) + 1,
        at(above, column - 1) + (isSame ? 0 : 1),
        isSwapped ? at(before, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    before = above;
    above = costs;
  }
  return above.at(-1) ?? 0;
}
