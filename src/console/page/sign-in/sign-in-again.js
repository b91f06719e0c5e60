import { html } from '../html.js';
import { useModal } from '../parts/confirm.js';
import { SignInForm } from './sign-in-form.js';

/** @import { Api } from '../types.d.ts' */

/**
 * Covers the page when the session has ended. The page stays as it is, and goes on after signing in.
 * @param {{ api: Api }} props
 */
export function SignInAgain({ api }) {
  const dialog = useModal();
  const stay = (/** @type {Event} */ event) => event.preventDefault();
  // Browsers close a dialog when Escape is pressed twice, whatever the page says.
  const reopen = () => dialog.current?.showModal();
  return html`<dialog class="cover" ref=${dialog} aria-labelledby="sign-in-title" onCancel=${stay} onClose=${reopen}>
    <h2 id="sign-in-title">Your session has ended</h2>
    <p>Sign in to go on where you are.</p>
    <${SignInForm} api=${api} />
    <p><button type="button" class="quiet" onClick=${() => api.sessions.end()}>Leave this page</button></p>
  </dialog>`;
}
