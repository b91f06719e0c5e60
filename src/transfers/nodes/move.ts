import type pg from 'pg';
import { takeTransferStepSql, transferSteps } from '../../catalog/transfer-status.ts';
import { forgetUsage } from '../../catalog/usage.ts';
import { AppError } from '../../lib/errors.ts';
import { moveSchema, readSchemaNodes } from '../../postgres/citus/schemas.ts';
import { type PostgresServer, serverNamed } from '../../postgres/server.ts';
import type { ActiveTransfer } from '../active-transfer.ts';
import { appendTransferEvent } from '../events.ts';
import { lockClaim } from '../store.ts';

/**
 * Moves a tenant's schema to another node of its server's Citus cluster. The tenant keeps its place, and is served meanwhile: its
 * reads go on, and its writes too if it moves online; otherwise they wait until it has moved. What an interrupted move has copied,
 * Citus itself removes, so it can be repeated.
 */
export async function moveToNode(active: ActiveTransfer, node: string): Promise<void> {
  const { transfer, options } = active;
  const { server: name, database, schema } = transfer.to;
  const server = serverNamed(options.servers, name);
  await begin(active);
  await server.owner(
    database,
    async (client) => {
      // An earlier attempt may have moved it, and ended before it could store that.
      if ((await readSchemaNodes(client, [schema])).get(schema) === node) return;
      const mode = transfer.online ? 'auto' : 'block_writes';
      await unlessAborted(server, client, active.signal, () => moveSchema(client, schema, addressOf(node), mode));
    },
    active.signal,
  );
  await active.commit((client) => succeed(client, active, node));
}

async function begin(active: ActiveTransfer): Promise<void> {
  const { id, attempts, online } = active.transfer;
  await active.commit(async (client) => {
    await client.query(takeTransferStepSql(transferSteps.begin, { where: 'x.id = $1', set: 'error = NULL' }), [id]);
    const writes = online ? 'it is served meanwhile' : 'its writes wait until it has moved';
    const attempt = attempts === 1 ? '' : `, attempt ${attempts}`;
    await appendTransferEvent(client, id, 'STARTED', `Citus moves the tenant${attempt}; ${writes}`);
  });
}

/** Runs `work`, and cancels its statement when the transfer ends. */
async function unlessAborted(
  server: PostgresServer,
  client: pg.Client,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  signal.throwIfAborted();
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  let cancelling: Promise<unknown> | undefined;
  const cancel = () => {
    // A failure leaves the move to go on to its end; the next attempt then finds the tenant on the other node.
    cancelling = server
      .admin((admin) => admin.query('SELECT pg_cancel_backend($1)', [rows[0]?.pid]))
      .catch(() => undefined);
  };
  signal.addEventListener('abort', cancel);
  try {
    await work();
  } finally {
    signal.removeEventListener('abort', cancel);
    await cancelling;
  }
}

async function succeed(client: pg.Client, { transfer }: ActiveTransfer, node: string): Promise<void> {
  const { id, slug, tenantId } = transfer;
  await lockClaim(client, transfer);
  await client.query(takeTransferStepSql(transferSteps.enterSwitch, { where: 'x.id = $1' }), [id]);
  await client.query(
    takeTransferStepSql(transferSteps.succeed, {
      where: 'x.id = $1',
      set: 'ended_at = now(), claimed_by = NULL, claim = NULL',
    }),
    [id],
  );
  await forgetUsage(client, tenantId);
  await appendTransferEvent(client, id, 'SUCCEEDED', `${slug} is on the node ${node}`);
}

function addressOf(node: string): { readonly host: string; readonly port: number } {
  const [, host, port] = /^(.+):(\d+)$/.exec(node) ?? [];
  if (host === undefined)
    throw new AppError('BAD_USER_INPUT', `Invalid node ${node}: use its host and port, such as worker-2.internal:5432`);
  return { host, port: Number(port) };
}
