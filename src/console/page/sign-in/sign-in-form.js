import { Problem } from '../api/problem.js';
import { html } from '../html.js';
import { ProblemNote } from '../parts/problem-note.js';
import { useAction } from '../parts/use-action.js';

/** @import { Api, Viewer } from '../types.d.ts' */

/** Tells this browser from an attacker's to the limit of failed sign-ins. It gives no access to anything. */
const DEVICE = 'tenantry.device';

/**
 * Signs in with a password or with a token.
 * @param {{ api: Api }} props
 */
export function SignInForm({ api }) {
  const action = useAction();
  const submit = (/** @type {(form: FormData) => Promise<void>} */ work) => (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    // Only forms have this listener.
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    return action.run(() => work(new FormData(form)));
  };
  return html`
    <form class="stack" onSubmit=${submit((form) => withPassword(api, text(form, 'email'), text(form, 'password')))}>
      <label class="field">Email address<input name="email" type="email" autocomplete="username" required /></label>
      <label class="field">Password<input name="password" type="password" autocomplete="current-password" required /></label>
      <button type="submit" class="primary" disabled=${action.isBusy}>Sign in</button>
    </form>
    <${ProblemNote} problem=${action.problem} />
    <details>
      <summary>Use a token instead</summary>
      <form class="stack" onSubmit=${submit((form) => withToken(api, text(form, 'token')))}>
        <label class="field">Platform admin's token<textarea name="token" rows="4" autocomplete="off" spellcheck=${false} required></textarea></label>
        <p class="muted">Such as that of <code>tenantry token --admin</code>, or of your identity provider. It is forgotten when this tab is closed.</p>
        <button type="submit" disabled=${action.isBusy}>Use the token</button>
      </form>
    </details>`;
}

/**
 * @param {FormData} form
 * @param {string} name
 */
function text(form, name) {
  return String(form.get(name) ?? '');
}

/**
 * The token in what somebody has pasted: a terminal may have broken its line, and headers begin with a word.
 * @param {string} pasted
 */
function tokenOf(pasted) {
  const token = pasted.replace(/^\s*Bearer\s/i, '').replaceAll(/\s/g, '');
  if (/^[\w.~+/=-]+$/.test(token)) return token;
  throw new Problem('This is no token. Paste it as the command or the identity provider has shown it.', {
    code: 'BAD_USER_INPUT',
  });
}

/**
 * @param {Api} api
 * @param {string} email
 * @param {string} password
 */
async function withPassword(api, email, password) {
  const known = localStorage.getItem(DEVICE);
  const input = { email, password, ...(known && { deviceToken: known }) };
  const { token, refreshToken, deviceToken, viewer } = (await api.ask('signIn', { input })).login;
  if (deviceToken) localStorage.setItem(DEVICE, deviceToken);
  if (!viewer.isPlatformAdmin) {
    await api.ask('signOut', { token: refreshToken }).catch(() => undefined);
    throw notAdmin(nameOf(viewer));
  }
  api.sessions.begin({ token, refreshToken, name: nameOf(viewer) });
}

/**
 * @param {Api} api
 * @param {string} pasted
 */
async function withToken(api, pasted) {
  const token = tokenOf(pasted);
  const { viewer } = await api.viewerOf(token);
  if (!viewer?.isPlatformAdmin) throw notAdmin('The bearer of this token');
  api.sessions.begin({ token, name: nameOf(viewer) });
}

/** @param {Viewer} viewer */
function nameOf({ user }) {
  return user?.email || user?.name || 'Platform admin';
}

/** @param {string} who */
function notAdmin(who) {
  return new Problem(`${who} is not a platform admin, and the console is for platform admins only.`, {
    code: 'FORBIDDEN',
  });
}
