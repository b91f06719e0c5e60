/** Resolves as soon as somebody can see the page. */
export function whenVisible() {
  return new Promise((resolve) => {
    if (document.visibilityState === 'visible') resolve(undefined);
    else document.addEventListener('visibilitychange', resolve, { once: true });
  });
}

/**
 * A signal that is aborted when nobody can see the page.
 * @param {AbortSignal} until aborted when nobody needs to know
 */
export function hiddenSignal(until) {
  const abort = new AbortController();
  document.addEventListener('visibilitychange', () => abort.abort(), { once: true, signal: until });
  return abort.signal;
}
