import { html } from '../html.js';
import { announce } from '../parts/announce.js';
import { count, counted, duration, word } from '../parts/format.js';
import { useEffect, useRef } from '../vendor/hooks.js';

/** @import { RunDetails, RunEvent } from '../types.d.ts' */

/** How often a screen reader hears of the progress, in parts of the whole. */
const STEPS = 4;

/**
 * How far a run is.
 * @param {{ run: RunDetails, event: RunEvent | undefined, isActive: boolean }} props
 */
export function RunProgress({ run, event, isActive }) {
  const { total, succeeded, failed, skipped, cancelled, pending } = run;
  const ended = Math.max(total - pending - cancelled, event?.done ?? 0);
  useAnnouncements(run, ended);
  const pace = isActive ? paceText(event?.rate ?? run.rate, event?.remainingSeconds ?? run.remainingSeconds) : '';
  return html`<section aria-label="Progress" class="progress-box">
    <progress max=${Math.max(total, 1)} value=${total === 0 && !isActive ? 1 : ended} aria-label="Tenants that have ended"></progress>
    <p><strong>${count(ended)} of ${counted(total, 'tenant')}</strong> <span class="muted">${pace}</span></p>
    <ul class="counts">
      <li data-status="SUCCEEDED"><strong>${count(succeeded)}</strong> succeeded</li>
      <li data-status=${failed > 0 ? 'FAILED' : ''}><strong>${count(failed)}</strong> failed</li>
      <li><strong>${count(skipped)}</strong> already current</li>
      <li><strong>${count(cancelled)}</strong> not started</li>
      <li><strong>${count(pending)}</strong> to do</li>
    </ul>
  </section>`;
}

/**
 * @param {number | null} rate in tenants per second
 * @param {number | null} seconds
 */
function paceText(rate, seconds) {
  const speed = rate === null ? '' : `${rate.toFixed(rate < 10 ? 1 : 0)} tenants/s`;
  const rest = seconds === null ? '' : `about ${duration(seconds * 1000)} left`;
  return [speed, rest].filter(Boolean).join(', ');
}

/**
 * Tells a screen reader of each quarter and of the end, and not of each tenant.
 * @param {RunDetails} run
 * @param {number} ended
 */
function useAnnouncements({ status, total, failed }, ended) {
  const before = useRef({ status, step: -1 });
  const step = total > 0 ? Math.floor((STEPS * ended) / total) : 0;
  useEffect(() => {
    const { status: lastStatus, step: lastStep } = before.current;
    before.current = { status, step };
    if (lastStep < 0) return;
    if (status !== lastStatus)
      announce(
        `The run is now: ${word(status)}. ${count(ended)} of ${counted(total, 'tenant')}, ${count(failed)} failed.`,
      );
    else if (step > lastStep && ended < total)
      announce(`${count(ended)} of ${counted(total, 'tenant')}, ${count(failed)} failed.`);
  }, [status, step]);
}
