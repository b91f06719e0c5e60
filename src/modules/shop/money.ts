import { badInput } from '../../platform.ts';

const FRACTION_DIGITS = 4;
const UNITS_OF_ONE = 10n ** BigInt(FRACTION_DIGITS);

/**
 * Reads a decimal that is not negative, exactly, as a count of ten-thousandths.
 * @throws {RangeError} if the text is none, or has more than 4 digits after the point
 */
export function toUnits(text: string): bigint {
  const [, whole, fraction = ''] = /^(\d+)(?:\.(\d{1,4}))?$/.exec(text) ?? [];
  if (whole === undefined) throw new RangeError(`${JSON.stringify(text)} is no amount of money`);
  return BigInt(whole + fraction.padEnd(FRACTION_DIGITS, '0'));
}

/**
 * Writes a count of ten-thousandths in the one form that clients see: no zeros that could be left out, but at least two
 * digits after the point (`12.50`, `0.00`, `0.1234`).
 */
export function fromUnits(units: bigint): string {
  if (units < 0n) throw new RangeError('An amount of money is not negative here');
  const fraction = (units % UNITS_OF_ONE).toString().padStart(FRACTION_DIGITS, '0');
  return `${units / UNITS_OF_ONE}.${fraction.replace(/0{1,2}$/, '')}`;
}

/** The form that clients see of an amount as the database has it: `12.5000` becomes `12.50`. */
export function canonicalMoney(text: string): string {
  return fromUnits(toUnits(text));
}

/** The exact sum of quantities times unit prices, in the form that clients see. */
export function totalOf(lines: Iterable<{ readonly quantity: number; readonly unitPrice: string }>): string {
  let units = 0n;
  for (const { quantity, unitPrice } of lines) units += BigInt(quantity) * toUnits(unitPrice);
  return fromUnits(units);
}

/**
 * Checks a price from a client.
 * @param digits how many its currency has after the point; zeros beyond them do no harm
 * @returns it in canonical form
 * @throws {AppError} BAD_USER_INPUT
 */
export function readPrice(text: string, digits: number): string {
  if (!/^\d{1,10}(?:\.\d{1,4})?$/.test(text)) {
    throw badInput(
      'price',
      'The price must be a decimal such as 12.50: not negative, up to 10 digits before the point and 4 after it',
    );
  }
  if (toUnits(text) % 10n ** BigInt(FRACTION_DIGITS - digits) !== 0n) {
    throw badInput('price', `A price in this currency has ${digits} digits after the point at most`);
  }
  return canonicalMoney(text);
}

/**
 * Checks the form of a currency's code from a client; whether there is such a currency is not known here.
 * @throws {AppError} BAD_USER_INPUT
 */
export function readCurrency(code: string): string {
  if (!/^[A-Z]{3}$/.test(code)) throw badInput('currency', 'The currency must be three capital letters, such as EUR');
  return code;
}
