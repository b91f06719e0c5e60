import { ApiContext } from './api/context.js';
import { problemOf } from './api/problem.js';
import { AuditPage } from './audit/audit-page.js';
import { ChecksPage } from './checks/checks-page.js';
import { FleetContext } from './fleet/fleet.js';
import { FleetPage } from './fleet/fleet-page.js';
import { html } from './html.js';
import { ProblemNote } from './parts/problem-note.js';
import { UsersPage } from './people/users-page.js';
import { hrefOf, useRoute } from './routes.js';
import { NewRunPage } from './runs/new-run-page.js';
import { RunPage } from './runs/run-page.js';
import { RunsPage } from './runs/runs-page.js';
import { ServersPage } from './servers/servers-page.js';
import { SignInAgain } from './sign-in/sign-in-again.js';
import { SignInPage } from './sign-in/sign-in-page.js';
import { TenantPage } from './tenant/tenant-page.js';
import { useEffect, useErrorBoundary, useReducer, useRef } from './vendor/hooks.js';

/** @import { Api } from './types.d.ts' */
/** @import { Fleet } from './fleet/fleet.js' */
/** @import { Route } from './routes.js' */

const sections = [
  { path: 'fleet', name: 'Fleet' },
  { path: 'runs', name: 'Runs' },
  { path: 'servers', name: 'Servers' },
  { path: 'checks', name: 'Checks' },
  { path: 'audit', name: 'Audit log' },
  { path: 'users', name: 'Users' },
];

/**
 * The console: a sign-in page or, after signing in, the navigation and the current page.
 * @param {{ api: Api, fleet: Fleet }} props
 */
export function App({ api, fleet }) {
  const [, update] = useReducer((/** @type {number} */ n) => n + 1, 0);
  useEffect(() => api.sessions.onChange(() => update(undefined)), [api]);
  const route = useRoute();
  const session = api.sessions.current();
  if (!session) return html`<${SignInPage} api=${api} />`;
  return html`<${ApiContext.Provider} value=${api}><${FleetContext.Provider} value=${fleet}>
    <a class="skip" href="#main" onClick=${skipToMain}>Skip to the content</a>
    <${Header} section=${route.path[0] === 'tenants' ? 'fleet' : (route.path[0] ?? 'fleet')} name=${session.name}
      onSignOut=${() => signOut(api)} />
    <${Main} route=${route} key=${session.name} />
    <div id="announcements" class="sr-only" role="status"></div>
    ${api.sessions.hasExpired() && html`<${SignInAgain} api=${api} />`}
  <//><//>`;
}

/** @param {{ section: string, name: string, onSignOut: () => void }} props */
function Header({ section, name, onSignOut }) {
  return html`<header class="top">
    <a class="brand" href=${hrefOf('fleet')}>Tenantry</a>
    <nav aria-label="Sections"><ul>
      ${sections.map(
        (each) => html`<li key=${each.path}>
          <a href=${hrefOf(each.path)} aria-current=${each.path === section ? 'page' : undefined}>${each.name}</a>
        </li>`,
      )}
    </ul></nav>
    <div class="who"><span title=${name}>${name}</span> <button type="button" class="quiet" onClick=${onSignOut}>Sign out</button></div>
  </header>`;
}

/** @param {{ route: Route }} props */
function Main({ route }) {
  /** @type {import('preact').RefObject<HTMLElement | null>} */
  const main = useRef(null);
  const place = route.path.join('/');
  const last = useRef(place);
  useEffect(() => {
    const title = main.current?.querySelector('h1');
    document.title = title ? `${title.textContent} · Tenantry` : 'Tenantry';
    // A screen reader goes on at the heading of the new page.
    if (last.current !== place) title?.focus();
    last.current = place;
  }, [place]);
  const [failure, retry] = useErrorBoundary();
  // Another page may well work.
  useEffect(retry, [place]);
  return html`<main id="main" tabindex="-1" ref=${main}>
    ${
      failure
        ? html`<h1 tabindex="-1">This page has failed</h1><${ProblemNote} problem=${problemOf(failure)} />
      <button type="button" onClick=${retry}>Show it again</button>`
        : pageOf(route)
    }
  </main>`;
}

/** @param {Route} route */
function pageOf({ path: [section = 'fleet', id], params }) {
  switch (section) {
    case 'fleet':
      return html`<${FleetPage} params=${params} />`;
    case 'tenants':
      return html`<${TenantPage} id=${id ?? ''} key=${id} />`;
    case 'runs':
      if (id === 'new') return html`<${NewRunPage} params=${params} />`;
      return id ? html`<${RunPage} id=${id} key=${id} />` : html`<${RunsPage} params=${params} />`;
    case 'servers':
      return html`<${ServersPage} />`;
    case 'checks':
      return html`<${ChecksPage} />`;
    case 'audit':
      return html`<${AuditPage} params=${params} />`;
    case 'users':
      return html`<${UsersPage} params=${params} />`;
    default:
      return html`<h1 tabindex="-1">No such page</h1><p>Choose one above.</p>`;
  }
}

/** @param {MouseEvent} event */
function skipToMain(event) {
  // The part of the address behind # names the page.
  event.preventDefault();
  document.querySelector('main')?.focus();
}

/** @param {Api} api */
function signOut({ sessions, ask }) {
  const token = sessions.current()?.refreshToken;
  sessions.end();
  // The session here is over, whether the server hears of it or not.
  if (token) ask('signOut', { token }).catch(() => undefined);
}
