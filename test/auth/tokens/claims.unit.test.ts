import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { claimAt, readClaim } from '../../../src/auth/tokens/claims.ts';

/** Names that JavaScript's objects have by themselves, among others. */
const name = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', 'name', 'length'),
  fc.string({ minLength: 1 }).filter((text) => !text.includes('.')),
);
const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) => names.join('.'));

describe('a claim', () => {
  it('is read where it was put, whatever its path', () => {
    fc.assert(
      fc.property(path, fc.string({ minLength: 1 }), (claimPath, value) => {
        expect(readClaim(claimAt(claimPath, value), claimPath)).toBe(value);
      }),
    );
  });

  it('survives the way through a token’s JSON', () => {
    fc.assert(
      fc.property(path, fc.string({ minLength: 1 }), (claimPath, value) => {
        expect(readClaim(JSON.parse(JSON.stringify(claimAt(claimPath, value))), claimPath)).toBe(value);
      }),
    );
  });

  it('is never one that no token holds, such as what objects inherit', () => {
    fc.assert(
      fc.property(path, (claimPath) => {
        expect(readClaim({}, claimPath)).toBeUndefined();
        expect(readClaim({ tenant: 'text', list: [], nothing: null, map: {} }, `map.${claimPath}`)).toBeUndefined();
      }),
    );
    for (const own of ['__proto__', 'constructor.name', 'tenant.length', 'tenant.constructor.name', 'toString.name']) {
      expect(readClaim({ tenant: 'text' }, own), own).toBeUndefined();
    }
  });

  it('changes nothing that other objects share', () => {
    fc.assert(
      fc.property(path, (claimPath) => {
        claimAt(claimPath, 'polluted');
        readClaim(claimAt(claimPath, 'polluted'), claimPath);
        expect(Reflect.get({}, claimPath.split('.').at(-1) ?? '')).not.toBe('polluted');
      }),
    );
  });

  it('is a text with something in it, or nothing; a token with anything else is refused', () => {
    fc.assert(
      fc.property(fc.jsonValue(), path, (value, claimPath) => {
        const payload = Object.fromEntries([[claimPath, value]]);
        if (value === null) expect(readClaim(payload, claimPath)).toBeUndefined();
        else if (typeof value === 'string' && value !== '') expect(readClaim(payload, claimPath)).toBe(value);
        else expect(() => readClaim(payload, claimPath)).toThrow(`The token's claim ${claimPath} must be a string`);
      }),
    );
  });

  it('may have a URL for a name, with dots that lead nowhere', () => {
    expect(readClaim({ 'https://app.example.com/tenant': 'acme' }, 'https://app.example.com/tenant')).toBe('acme');
    // The name as it stands goes before the path that it may be read as.
    expect(readClaim({ 'a.b': 'name', a: { b: 'path' } }, 'a.b')).toBe('name');
  });
});
