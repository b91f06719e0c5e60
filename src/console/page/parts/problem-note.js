import { adviceOn } from '../api/problem.js';
import { html } from '../html.js';

/** @import { Problem } from '../api/problem.js' */

/**
 * Shows what the API says of a problem, and what to do.
 * @param {{ problem: Problem | undefined }} props
 */
export function ProblemNote({ problem }) {
  if (!problem) return null;
  const advice = adviceOn(problem);
  return html`<div class="problem" role="alert">
    <p><strong>${problem.message}</strong></p>
    <p class="muted">${advice && `${advice} `}<span class="code">${problem.code}</span></p>
  </div>`;
}
