import { ApiContext } from '../api/context.js';
import { html } from '../html.js';
import { Confirm } from '../parts/confirm.js';
import { useContext } from '../vendor/hooks.js';

/** @import { User } from '../types.d.ts' */
/** @typedef {{ kind: 'active' | 'admin', user: User }} Choice */

/**
 * Asks before a user's rights change.
 * @param {{ choice: Choice, onDone: () => void, onClose: () => void }} props
 */
export function UserDialog({ choice: { kind, user }, onDone, onClose }) {
  const api = useContext(ApiContext);
  const who = user.email || user.name || user.id;
  const confirm = async () => {
    if (kind === 'active') await api.ask('setUserActive', { user: user.id, active: !user.active });
    else await api.ask('setPlatformAdmin', { user: user.id, isPlatformAdmin: !user.isPlatformAdmin });
    onDone();
  };
  const { title, button, text, isDanger } = textsOf(kind, user, who);
  return html`<${Confirm} title=${title} confirm=${button} isDanger=${isDanger} onConfirm=${confirm} onClose=${onClose}><p>${text}</p><//>`;
}

/**
 * @param {Choice['kind']} kind
 * @param {User} user
 * @param {string} who
 */
function textsOf(kind, { active, isPlatformAdmin }, who) {
  if (kind === 'active')
    return active
      ? {
          title: `Deactivate ${who}?`,
          button: 'Deactivate',
          text: 'The user is signed out everywhere and cannot sign in.',
          isDanger: true,
        }
      : { title: `Activate ${who}?`, button: 'Activate', text: 'The user can sign in again.', isDanger: false };
  return isPlatformAdmin
    ? {
        title: `Remove ${who} as platform admin?`,
        button: 'Remove',
        text: 'The user loses all rights of platform admins at once, and keeps those of a member.',
        isDanger: true,
      }
    : {
        title: `Make ${who} a platform admin?`,
        button: 'Make admin',
        text: 'The user may do everything that this console does, with every tenant.',
        isDanger: true,
      };
}
