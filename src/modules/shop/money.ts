import { badInput } from '../../platform.ts';

const FRACTION_DIGITS = 4;
const UNITS_OF_ONE = 10n ** BigInt(FRACTION_DIGITS);

/**
 * Parses a non-negative decimal exactly, as a number of ten-thousandths.
 * @throws {RangeError} if the text is not such a decimal or has more than 4 decimal digits
 */
export function toUnits(text: string): bigint {
  const [, whole, fraction = ''] = /^(\d+)(?:\.(\d{1,4}))?$/.exec(text) ?? [];
  if (whole === undefined) throw new RangeError(`${JSON.stringify(text)} is not an amount of money`);
  return BigInt(whole + fraction.padEnd(FRACTION_DIGITS, '0'));
}

/**
 * Formats a number of ten-thousandths for clients: with at least two decimal digits and no further trailing zeros, such as
 * `12.50`, `0.00` or `0.1234`.
 */
export function fromUnits(units: bigint): string {
  if (units < 0n) throw new RangeError('An amount of money must not be negative');
  const fraction = (units % UNITS_OF_ONE).toString().padStart(FRACTION_DIGITS, '0');
  return `${units / UNITS_OF_ONE}.${fraction.replace(/0{1,2}$/, '')}`;
}

/** Formats an amount from the database for clients: `12.5000` becomes `12.50`. */
export function canonicalMoney(text: string): string {
  return fromUnits(toUnits(text));
}

/** Returns the exact sum of quantities times unit prices, formatted for clients. */
export function totalOf(lines: Iterable<{ readonly quantity: number; readonly unitPrice: string }>): string {
  let units = 0n;
  for (const { quantity, unitPrice } of lines) units += BigInt(quantity) * toUnits(unitPrice);
  return fromUnits(units);
}

/**
 * Validates a price from a client.
 * @param digits the number of decimal digits of the currency; further digits must be zeros
 * @returns the price in canonical form
 * @throws {AppError} BAD_USER_INPUT
 */
export function readPrice(text: string, digits: number): string {
  if (!/^\d{1,10}(?:\.\d{1,4})?$/.test(text)) {
    throw badInput(
      'price',
      'The price must be a non-negative decimal such as 12.50, with up to 10 digits before the point and 4 after it',
    );
  }
  if (toUnits(text) % 10n ** BigInt(FRACTION_DIGITS - digits) !== 0n) {
    throw badInput('price', `A price in this currency must have at most ${digits} digits after the point`);
  }
  return canonicalMoney(text);
}

/**
 * Validates the form of a currency's code from a client. It does not check whether the currency exists.
 * @throws {AppError} BAD_USER_INPUT
 */
export function readCurrency(code: string): string {
  if (!/^[A-Z]{3}$/.test(code)) throw badInput('currency', 'The currency must be three capital letters, such as EUR');
  return code;
}
