import { badInput } from '../../lib/errors.ts';

const sizePattern = /^([1-9]\d{0,6})(%?)$/;

/**
 * Divides tenants into waves.
 * @param sizes numbers of tenants, or percentages of the total, such as `1`, `10%`, `100%`
 * @param count the total number of tenants
 * @returns the cumulative number of tenants after each wave; the last is always `count`
 * @throws {AppError} BAD_USER_INPUT if a size is invalid
 */
export function waveEnds(sizes: readonly string[], count: number): number[] {
  const ends: number[] = [];
  let end = 0;
  for (const size of [...sizes.map((text) => sizeOf(text, count)), count]) {
    end = Math.min(count, end + size);
    if (end > (ends.at(-1) ?? 0)) ends.push(end);
  }
  return ends;
}

function sizeOf(text: string, count: number): number {
  const [, digits, percent] = sizePattern.exec(text.trim()) ?? [];
  const number = Number(digits);
  if (digits === undefined || (percent && number > 100)) {
    throw badInput(
      'waves',
      `Invalid wave size ${JSON.stringify(text)}: use a number of tenants such as 10 or a percentage such as 10%`,
    );
  }
  return percent ? Math.ceil((count * number) / 100) : number;
}
