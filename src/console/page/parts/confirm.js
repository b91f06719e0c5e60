import { html } from '../html.js';
import { useEffect, useRef } from '../vendor/hooks.js';
import { ProblemNote } from './problem-note.js';
import { useAction } from './use-action.js';

/**
 * Asks before something is done. The text says what will happen.
 * @param {object} props
 * @param {string} props.title
 * @param {string} props.confirm what the button says
 * @param {boolean} [props.isDanger]
 * @param {boolean} [props.isDisabled] whether there is nothing to confirm yet
 * @param {() => Promise<void>} props.onConfirm it stays open, with the problem, if this rejects
 * @param {() => void} props.onClose
 * @param {unknown} props.children
 */
export function Confirm({ title, confirm, isDanger = false, isDisabled = false, onConfirm, onClose, children }) {
  const action = useAction();
  const dialog = useModal();
  const act = () =>
    action.run(async () => {
      await onConfirm();
      onClose();
    });
  return html`<dialog ref=${dialog} aria-labelledby="confirm-title" onClose=${onClose}>
    <h2 id="confirm-title">${title}</h2>
    ${children}
    <${ProblemNote} problem=${action.problem} />
    <div class="buttons end">
      <button type="button" onClick=${onClose}>Close</button>
      <button type="button" class=${isDanger ? 'danger' : 'primary'} disabled=${isDisabled || action.isBusy} onClick=${act}>
        ${action.isBusy ? 'One moment …' : confirm}
      </button>
    </div>
  </dialog>`;
}

/**
 * Shows a dialog above the page for as long as it is there. Its first control gets the focus; afterwards whoever had it before.
 * @returns {import('preact').RefObject<HTMLDialogElement | null>}
 */
export function useModal() {
  /** @type {import('preact').RefObject<HTMLDialogElement | null>} */
  const dialog = useRef(null);
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return dialog;
}
