import type { EntityProperty } from '@mikro-orm/core';
import { badInput } from '../../lib/errors.ts';

/**
 * Checks that a value fits into its column. PostgreSQL would not say which column is too small, and would round decimals.
 * @throws {AppError} BAD_USER_INPUT
 */
export function checkColumn({ name, columnTypes: [type = ''] }: EntityProperty, value: unknown): void {
  const [, base = '', size, scale = '0'] = /^([a-z ]+?) ?(?:\((\d+)(?:, ?(\d+))?\))?$/.exec(type) ?? [];
  if (base === 'smallint' && typeof value === 'number' && Math.abs(value + 0.5) > 32_768) {
    throw badInput(name, `${name} must be from -32768 to 32767`);
  }
  if (size === undefined || typeof value !== 'string') return;
  if (base === 'numeric' || base === 'decimal') checkDigits(name, value, Number(size) - Number(scale), Number(scale));
  // PostgreSQL counts characters, and not the halves of which JavaScript makes some.
  else if (/char/.test(base) && [...value].length > Number(size)) {
    throw badInput(name, `${name} must have at most ${size} characters`);
  }
}

function checkDigits(name: string, text: string, whole: number, fraction: number): void {
  const [before = '', after = ''] = text.replace(/^[+-]/, '').split('.', 2);
  const digits = before.replace(/^0+/, '');
  let decimals = after.length;
  // A pattern for the zeros at the end would take quadratic time.
  while (after[decimals - 1] === '0') decimals -= 1;
  if (digits.length > whole) throw badInput(name, `${name} must have at most ${whole} digits before the point`);
  if (decimals > fraction) throw badInput(name, `${name} must have at most ${fraction} digits after the point`);
}
