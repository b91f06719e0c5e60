import { useEffect, useState } from './vendor/hooks.js';

/**
 * Where the user is. It stands behind the # of the address, so that the server has one page, and "back" and bookmarks work.
 * @typedef {{ readonly path: readonly string[], readonly params: URLSearchParams }} Route
 */

/** @returns {Route} */
export function currentRoute() {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return { path: path.split('/').filter(Boolean).map(decoded), params: new URLSearchParams(query) };
}

/**
 * @param {string} part of an address, which people may have typed
 */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @returns {Route} */
export function useRoute() {
  const [route, setRoute] = useState(currentRoute);
  useEffect(() => {
    const update = () => setRoute(currentRoute());
    addEventListener('hashchange', update);
    return () => removeEventListener('hashchange', update);
  }, []);
  return route;
}

/**
 * The address of a place in the console.
 * @param {...string} path
 */
export function hrefOf(...path) {
  return `#/${path.map(encodeURIComponent).join('/')}`;
}

/**
 * Changes parameters of the current place, such as filters. Those that are empty are removed. It adds no step to "back".
 * @param {Readonly<Record<string, string | undefined>>} changes
 */
export function setParams(changes) {
  const { path, params } = currentRoute();
  for (const [name, value] of Object.entries(changes)) {
    if (value) params.set(name, value);
    else params.delete(name);
  }
  const query = params.size > 0 ? `?${params}` : '';
  history.replaceState(null, '', `${hrefOf(...path)}${query}`);
  dispatchEvent(new HashChangeEvent('hashchange'));
}

/** @param {...string} path */
export function goTo(...path) {
  location.hash = hrefOf(...path);
}
