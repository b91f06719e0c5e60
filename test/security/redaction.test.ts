import { describe, expect, it } from 'vitest';
import { describeArguments } from '../../src/auth/audit-log.ts';

describe('arguments for the audit log', () => {
  it.each(['://', 'a://b@', '@', '?', 'x ', '\u0000'])('of a megabyte of %j are described at once', (part) => {
    const text = part.repeat(1_000_000 / part.length);
    const start = performance.now();
    const described = describeArguments({ email: text, url: text });
    // It was minutes; it is some milliseconds.
    expect(performance.now() - start).toBeLessThan(2000);
    expect(described.length).toBeLessThan(7000);
  });

  it('lose their secrets also where these are long, or cut', () => {
    const secret = 'hunter2'.repeat(1000);
    const described = describeArguments({
      note: `see postgres://ada:${secret}@db/x now`,
      url: `ada:${secret}@db?${secret}`,
    });
    expect(described).toBe('{"note":"see postgres://…@db/x now","url":"…@db?…"}');
  });

  it('of a long list are its first elements', () => {
    expect(JSON.parse(describeArguments({ tenants: Array(1000).fill('acme') })).tenants).toHaveLength(21);
  });
});
