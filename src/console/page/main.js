import { createApi } from './api/api.js';
import { createSessions } from './api/sessions.js';
import { App } from './app.js';
import { createFleet } from './fleet/fleet.js';
import { html } from './html.js';
import { render } from './vendor/preact.js';

const root = document.querySelector('#app');
if (!root) throw new Error('The page has no element for the console');
const sendIds = document.documentElement.dataset.documents === 'ids';
const api = createApi(
  new URL('graphql', location.href).href,
  createSessions(sessionStorage, new BroadcastChannel('tenantry.console')),
  sendIds,
);
render(html`<${App} api=${api} fleet=${createFleet(api)} />`, root);
