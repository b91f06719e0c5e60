import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalMoney, fromUnits, readCurrency, readPrice, totalOf, toUnits } from '../../src/modules/shop/money.ts';

const units = fc.bigInt({ min: 0n, max: 10n ** 30n });
const price = fc
  .tuple(fc.nat({ max: 9_999_999_999 }), fc.option(fc.stringMatching(/^\d{1,4}$/), { nil: undefined }))
  .map(([whole, fraction]) => (fraction === undefined ? `${whole}` : `${whole}.${fraction}`));

describe('amounts of money', () => {
  it('survive being written and read', () => {
    fc.assert(fc.property(units, (amount) => toUnits(fromUnits(amount)) === amount));
  });

  it('have one form only', () => {
    fc.assert(
      fc.property(units, fc.nat({ max: 5 }), (amount, zeros) => {
        const text = fromUnits(amount);
        expect(text).toMatch(/^(0|[1-9]\d*)\.\d\d(\d?[1-9])?$/);
        expect(canonicalMoney('0'.repeat(zeros) + text)).toBe(text);
      }),
    );
  });

  it.each([
    ['12.5000', '12.50'],
    ['12.50', '12.50'],
    ['0', '0.00'],
    ['7', '7.00'],
    ['0.1', '0.10'],
    ['0.1200', '0.12'],
    ['0.1230', '0.123'],
    ['0.0001', '0.0001'],
    ['1.0010', '1.001'],
    ['9999999999.9999', '9999999999.9999'],
  ])('are seen by clients without needless zeros: %s as %s', (stored, seen) => {
    expect(canonicalMoney(stored)).toBe(seen);
  });

  it('are refused when negative', () => {
    expect(() => fromUnits(-1n)).toThrow(RangeError);
    expect(() => toUnits('-1')).toThrow(RangeError);
  });
});

describe('a total', () => {
  const lines = fc.array(fc.record({ quantity: fc.integer({ min: 1, max: 1_000_000 }), unitPrice: price }), {
    maxLength: 100,
  });

  it('does not depend on the order of the lines', () => {
    fc.assert(fc.property(lines, (bought) => totalOf(bought) === totalOf(bought.toReversed())));
  });

  it('is the sum of the totals of its parts', () => {
    fc.assert(
      fc.property(lines, lines, (some, others) => {
        const sum = toUnits(totalOf(some)) + toUnits(totalOf(others));
        expect(totalOf([...some, ...others])).toBe(fromUnits(sum));
      }),
    );
  });

  it('is the same for n of a product at once or one by one', () => {
    fc.assert(
      fc.property(price, fc.integer({ min: 1, max: 50 }), (unitPrice, quantity) => {
        const single = Array.from({ length: quantity }, () => ({ quantity: 1, unitPrice }));
        expect(totalOf(single)).toBe(totalOf([{ quantity, unitPrice }]));
      }),
    );
  });

  it('is exact where floats are not', () => {
    expect(totalOf([{ quantity: 3, unitPrice: '0.1' }])).toBe('0.30');
    expect(totalOf([{ quantity: 1_000_000, unitPrice: '9999999999.9999' }])).toBe('9999999999999900.00');
    expect(totalOf([])).toBe('0.00');
  });
});

describe('input', () => {
  it('takes every price within the limits, and means the same amount', () => {
    fc.assert(fc.property(price, (text) => toUnits(readPrice(text, 4)) === toUnits(text)));
  });

  it('refuses everything else', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/^\d{1,10}(\.\d{1,4})?$/.test(text));
        expect(() => readPrice(text, 4)).toThrow(expect.objectContaining({ code: 'BAD_USER_INPUT' }));
      }),
    );
  });

  it.each(['', '-1', '+1', '1.', '.5', '1.23456', '12345678901', '1e3', '1,50', ' 1', '1\n', '0x10', 'NaN', '١'])(
    'refuses the price %j',
    (text) => {
      expect(() => readPrice(text, 4)).toThrow(
        expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: 'price' } }),
      );
    },
  );

  it.each([
    ['1', 0, '1.00'],
    ['1.00', 0, '1.00'],
    ['0.5', 0, undefined],
    ['12.34', 2, '12.34'],
    ['12.3400', 2, '12.34'],
    ['12.345', 2, undefined],
    ['12.345', 3, '12.345'],
    ['0.0001', 3, undefined],
    ['0.0001', 4, '0.0001'],
  ])('takes no more digits than the currency has: %s with %i', (text, digits, taken) => {
    if (taken !== undefined) expect(readPrice(text, digits)).toBe(taken);
    else expect(() => readPrice(text, digits)).toThrow(expect.objectContaining({ details: { field: 'price' } }));
  });

  it.each(['', 'eur', 'EU', 'EURO', 'EUR\n', 'ÉUR'])('refuses the currency %j', (code) => {
    expect(() => readCurrency(code)).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: 'currency' } }),
    );
  });

  it('takes a currency of three capital letters', () => {
    fc.assert(fc.property(fc.stringMatching(/^[A-Z]{3}$/), (code) => readCurrency(code) === code));
  });
});
