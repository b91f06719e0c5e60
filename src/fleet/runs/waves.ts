import { badInput } from '../../lib/errors.ts';

const sizePattern = /^([1-9]\d{0,6})(%?)$/;

/**
 * Divides tenants into waves.
 * @param sizes numbers of tenants, or parts of all of them in percent, such as `1`, `10%`, `100%`
 * @param count how many tenants there are
 * @returns the number of tenants after each wave; the last is `count`, whatever the sizes leave over
 * @throws {AppError} BAD_USER_INPUT if a size cannot be understood
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
      `${JSON.stringify(text)} is no size of a wave; say a number of tenants, such as 1, or a part, such as 10%`,
    );
  }
  return percent ? Math.ceil((count * number) / 100) : number;
}
