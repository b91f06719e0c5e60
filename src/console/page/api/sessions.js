/** @import { Session, Sessions } from '../types.d.ts' */

const KEY = 'tenantry.console.session';

/**
 * Keeps the session in the tab's own storage: it survives a reload of the page, other tabs cannot read it, and it goes with
 * the tab. A cookie would be sent along with requests of other sites; a token in memory would be lost with each reload.
 * @param {Storage} storage
 * @param {BroadcastChannel} tabs
 * @returns {Sessions}
 */
export function createSessions(storage, tabs) {
  const listeners = new Set();
  let current = stored(storage);
  let expired = false;
  let signedIn = Promise.withResolvers();

  /** @param {Session | undefined} session */
  const keep = (session) => {
    current = session;
    if (session) storage.setItem(KEY, JSON.stringify(session));
    else storage.removeItem(KEY);
  };
  const changed = () => {
    for (const listener of listeners) listener();
  };
  // A duplicate of a tab has the same session. Its token is valid once, and reuse would end the session of both.
  tabs.onmessage = ({ data: { used, token, refreshToken } }) => {
    if (current && !expired && used !== undefined && current.refreshToken === used)
      keep({ ...current, token, refreshToken });
  };
  return {
    current: () => current,
    hasExpired: () => expired,
    begin(session) {
      expired = false;
      keep(session);
      signedIn.resolve(undefined);
      signedIn = Promise.withResolvers();
      changed();
    },
    renew(session) {
      const { token, refreshToken } = session;
      tabs.postMessage({ used: current?.refreshToken, token, refreshToken });
      keep(session);
    },
    expire() {
      if (expired || !current) return;
      expired = true;
      storage.removeItem(KEY);
      changed();
    },
    end() {
      expired = false;
      keep(undefined);
      changed();
    },
    next: () => signedIn.promise,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * @param {Storage} storage
 * @returns {Session | undefined}
 */
function stored(storage) {
  try {
    const { token, refreshToken, name } = JSON.parse(storage.getItem(KEY) ?? '{}');
    if (typeof token === 'string' && typeof name === 'string') return { token, refreshToken, name };
  } catch {
    // Somebody else wrote it.
  }
  return undefined;
}
