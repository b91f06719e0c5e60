import type { Command } from 'commander';
import type { Webhook, WebhookDelivery } from '../../../catalog/entities/webhook.entity.ts';
import { expandId, parseId } from '../../id-prefix.ts';
import { withServices } from '../../open-app.ts';
import { type Column, writeTable } from '../../ui/table.ts';
import { type CommandContext, writeJson } from '../../ui/terminal.ts';
import { integer } from '../migrate-up.ts';

const idArgument = ['<id>', "the webhook's id or a prefix of it; see tenantry webhook list", parseId] as const;
const jsonOption = ['--json', 'print JSON'] as const;

/** `tenantry webhook list | create | delete | deliveries | redeliver`: receivers of events. */
export function addWebhookCommand(program: Command, context: CommandContext): void {
  const { stdout } = context;
  const webhook = program.command('webhook').description('Send events, such as ended runs, to other systems');
  webhook
    .command('list')
    .description('List the webhooks and whether they work')
    .option(...jsonOption)
    .action(async ({ json }: { json?: true }) => {
      const views = (await withServices(context, ({ webhooks }) => webhooks.list())).map(viewOf);
      if (json) writeJson(stdout, views);
      else if (views.length === 0) context.stderr.write('There are no webhooks.\n');
      else writeTable(context, stdout, columns, views);
    });
  webhook
    .command('create')
    .description('Create a webhook, and print the secret that verifies its requests')
    .argument('<url>', 'such as https://example.com/webhooks')
    .requiredOption('--events <event...>', 'the events that it receives, such as run.halted; see docs/webhooks.md')
    .option('--description <text>', 'what it is for')
    .action((url: string, options: { events: string[]; description?: string }) => create(context, { url, ...options }));
  webhook
    .command('delete')
    .description('Delete a webhook and its deliveries')
    .argument(...idArgument)
    .action(async (start: string) => {
      const id = await withServices(context, async ({ catalog, webhooks }) => {
        const id = await expandId(catalog, 'webhook', start);
        await webhooks.delete(id);
        return id;
      });
      stdout.write(`The webhook ${id} was deleted.\n`);
    });
  webhook
    .command('deliveries')
    .description('List the events of a webhook, newest first')
    .argument(...idArgument)
    .option('--limit <n>', 'how many', integer(1), 20)
    .option(...jsonOption)
    .action((start: string, options: { limit: number; json?: true }) => listDeliveries(context, start, options));
  webhook
    .command('redeliver')
    .description('Send an event again')
    .argument('<delivery>', 'the number of the delivery; see tenantry webhook deliveries')
    .action(async (delivery: string) => {
      const { id } = await withServices(context, ({ webhooks }) => webhooks.redeliver(delivery));
      stdout.write(`The delivery ${id} is sent by the next worker or server that looks for it.\n`);
    });
}

async function create(
  context: CommandContext,
  input: { readonly url: string; readonly events: readonly string[]; readonly description?: string },
): Promise<void> {
  const { webhook, secret } = await withServices(context, ({ webhooks }) => webhooks.create(input));
  context.stderr.write(`Created the webhook ${webhook.id}. Its secret is not shown again:\n`);
  context.stdout.write(`${secret}\n`);
}

async function listDeliveries(
  context: CommandContext,
  start: string,
  { limit, json }: { readonly limit: number; readonly json?: true },
): Promise<void> {
  const { WebhookDelivery } = await import('../../../catalog/entities/webhook.entity.ts');
  const views = await withServices(context, async ({ catalog }) => {
    const webhook = await expandId(catalog, 'webhook', start);
    const found = await catalog.fork().find(WebhookDelivery, { webhook }, { orderBy: { id: 'desc' }, limit });
    return found.map(deliveryView);
  });
  if (json) writeJson(context.stdout, views);
  else if (views.length === 0) context.stderr.write('There are no deliveries.\n');
  else writeTable(context, context.stdout, deliveryColumns, views);
}

/** A webhook for the command line. The fields are those of `--json`. */
interface WebhookView {
  readonly id: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly description: string;
  readonly enabled: boolean;
  readonly disabledReason: string | null;
  readonly failingSince: string | null;
}

function viewOf({ id, url, events, description, isEnabled, disabledReason, failingSince }: Webhook): WebhookView {
  return {
    id,
    url,
    events,
    description,
    enabled: isEnabled,
    disabledReason: disabledReason ?? null,
    failingSince: failingSince?.toISOString() ?? null,
  };
}

const columns: readonly Column<WebhookView>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'URL', value: ({ url }) => url },
  { title: 'EVENTS', value: ({ events }) => events.join(' ') },
  { title: 'STATE', value: stateOf },
];

function stateOf({ enabled, disabledReason, failingSince }: WebhookView): string {
  if (!enabled) return `off${disabledReason === null ? '' : `: ${disabledReason}`}`;
  return failingSince === null ? 'works' : `fails since ${failingSince.slice(0, 19)}`;
}

/** A delivery for the command line. The fields are those of `--json`. */
interface DeliveryView {
  readonly id: string;
  readonly event: string;
  readonly createdAt: string;
  readonly deliveredAt: string | null;
  readonly attempts: number;
  readonly statusCode: number | null;
  readonly error: string | null;
}

function deliveryView(delivery: WebhookDelivery): DeliveryView {
  const { id, event, createdAt, deliveredAt, attempts, statusCode, error } = delivery;
  return {
    id,
    event,
    createdAt: createdAt.toISOString(),
    deliveredAt: deliveredAt?.toISOString() ?? null,
    attempts,
    statusCode: statusCode ?? null,
    error: error ?? null,
  };
}

const deliveryColumns: readonly Column<DeliveryView>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'EVENT', value: ({ event }) => event },
  { title: 'CREATED', value: ({ createdAt }) => createdAt.slice(0, 19) },
  { title: 'DELIVERED', value: ({ deliveredAt }) => deliveredAt?.slice(0, 19) },
  { title: 'ATTEMPTS', value: ({ attempts }) => attempts },
  { title: 'ERROR', value: ({ error }) => error },
];
