import { useQuery } from '../api/use-query.js';
import { html } from '../html.js';
import { count, Status } from '../parts/format.js';
import { ProblemNote } from '../parts/problem-note.js';
import { Table } from '../parts/table.js';
import { CitusNodes } from './citus-nodes.js';

/** @import { DatabaseServer, Health } from './types.d.ts' */

/** How the API calls the pooler of a server among its databases. */
const POOLER = 'the connection pooler';

/** The PostgreSQL servers, with what they hold, how busy their connections are, their poolers and their nodes. */
export function ServersPage() {
  const { data, problem, isLoading } = useQuery('servers', {}, { every: 3_000 });
  return html`
    <div class="heading"><h1 tabindex="-1">Servers</h1>${data && html`<${Status} value=${data.health.status} />`}</div>
    <${ProblemNote} problem=${problem} />
    ${isLoading && html`<p class="muted">One moment …</p>`}
    ${
      data &&
      html`
      <${Table} caption="PostgreSQL servers" columns=${columns}>${data.servers.map((server) => serverRow(server, poolerOf(server, data.health)))}<//>
      <${CitusNodes} />
      <section aria-labelledby="databases"><h2 id="databases">System databases</h2>
        <${Table} caption="System databases" columns=${['Database', 'Server', 'Answers', 'Took', 'Error']}>${data.health.databases.filter(({ name }) => name !== POOLER).map(databaseRow)}<//>
      </section>`
    }`;
}

const columns = [
  'Server',
  'Address',
  'Pooler',
  'Tenants',
  'Connections of the process that answered',
  'All processes may open',
  'New tenants',
];

/**
 * What the health says of a server's pooler.
 * @param {DatabaseServer} server
 * @param {Health} health
 */
function poolerOf({ name }, { databases }) {
  return databases.find((database) => database.name === POOLER && database.server === name);
}

/**
 * @param {DatabaseServer} server
 * @param {Health['databases'][number] | undefined} health that of its pooler
 */
function serverRow(server, health) {
  const { name, host, port, tenantCount, connectionsInUse, connectionBudget, acceptsTenants } = server;
  const label = `Connections of ${name} in use`;
  return html`<tr key=${name}>
    <th scope="row">${name}</th>
    <td>${host}:${port}</td>
    <td>${pooler(server, health)}</td>
    <td class="number">${count(tenantCount)}</td>
    <td><meter aria-label=${label} min="0" max=${connectionBudget} high=${connectionBudget * 0.9} value=${connectionsInUse}></meter>
      ${' '}${connectionsInUse} of ${connectionBudget}</td>
    <td>${together(server)}</td>
    <td>${acceptsTenants ? 'Accepted' : 'Not accepted'}</td>
  </tr>`;
}

/**
 * @param {DatabaseServer} server
 * @param {Health['databases'][number] | undefined} health
 */
function pooler({ pooler: address }, health) {
  if (address === null) return html`<span class="muted">none</span>`;
  if (!health) return address;
  return html`${address} <${Status} value=${health.ok ? 'OK' : 'DOWN'} />${health.error && ` ${health.error}`}`;
}

/** @param {DatabaseServer} server */
function together({ processes, processConnections, connectionLimit }) {
  const all = `${count(processConnections)} in ${count(processes)} ${processes === 1 ? 'process' : 'processes'}`;
  if (connectionLimit === null) return all;
  const sum = `${all}, of ${count(connectionLimit)}`;
  return processConnections > connectionLimit ? html`<strong>${sum}: more than PostgreSQL has</strong>` : sum;
}

/** @param {Health['databases'][number]} database */
function databaseRow({ name, server, ok, latencyMs, error }) {
  return html`<tr key=${`${server}/${name}`}>
    <th scope="row">${name}</th>
    <td>${server}</td>
    <td><${Status} value=${ok ? 'OK' : 'DOWN'} /></td>
    <td class="number">${latencyMs === null ? '–' : `${latencyMs.toFixed(1)} ms`}</td>
    <td class="text">${error}</td>
  </tr>`;
}
