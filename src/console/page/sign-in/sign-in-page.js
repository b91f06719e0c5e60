import { html } from '../html.js';
import { useEffect } from '../vendor/hooks.js';
import { SignInForm } from './sign-in-form.js';

/** @import { Api } from '../types.d.ts' */

/** @param {{ api: Api }} props */
export function SignInPage({ api }) {
  useEffect(() => {
    document.title = 'Sign in · Tenantry';
  }, []);
  return html`<main class="sign-in">
    <h1>Tenantry console</h1>
    <p class="muted">For platform admins.</p>
    <${SignInForm} api=${api} />
  </main>`;
}
