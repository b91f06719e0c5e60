import { vi } from 'vitest';

/** On a machine that others use too, a second, which is what Vitest waits by default, is soon over. */
const patience = { timeout: 15_000 };

const { waitFor, waitUntil } = vi;
Object.assign(vi, {
  waitFor: ((callback, options = patience) => waitFor(callback, options)) satisfies typeof waitFor,
  waitUntil: ((callback, options = patience) => waitUntil(callback, options)) satisfies typeof waitUntil,
});
