import { expect, it } from 'vitest';
import { OperationNames } from '../../src/monitoring/operation-names.ts';

it('gives a limited number of operations a label, and none to names of callers without a token', () => {
  const names = new OperationNames();
  expect(names.labelOf('Forged', false)).toBe('(other)');
  expect(names.labelOf(undefined, true)).toBe('(unnamed)');
  expect(names.labelOf('L'.repeat(81), true)).toBe('(other)');
  const labels = Array.from({ length: 1_000 }, (_, index) => names.labelOf(`Name${index}`, true));
  expect(new Set(labels).size).toBe(101);
  expect(names.labelOf('Name0', false)).toBe('Name0');
});
