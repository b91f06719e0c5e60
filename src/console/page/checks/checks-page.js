import { html } from '../html.js';
import { DoctorFindings } from './doctor-findings.js';
import { DriftedTenants } from './drifted-tenants.js';

/** What checks of the installation have found. */
export function ChecksPage() {
  return html`<h1 tabindex="-1">Checks</h1><${DriftedTenants} /><${DoctorFindings} />`;
}
