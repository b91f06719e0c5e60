import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

interface RunEvent {
  readonly type: string;
  readonly data: { readonly run?: Readonly<Record<'id' | 'total' | 'failed' | 'cancelled', string | number>> };
}

const { WEBHOOK_SECRET = '', SLACK_WEBHOOK_URL = '', PORT = '8080' } = process.env;
const webhook = new Webhook(WEBHOOK_SECRET);

/** Sends a message to Slack about a run that was halted. Other events are ignored. */
async function tellSlack({ type, data: { run } }: RunEvent): Promise<void> {
  if (type !== 'run.halted' || !run) return;
  const message = `:rotating_light: The migration run ${run.id} was halted: ${run.failed} of ${run.total} tenants failed, ${run.cancelled} were not started. See \`tenantry migrate watch ${run.id}\`.`;
  const response = await fetch(SLACK_WEBHOOK_URL, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text: message }),
  });
  if (!response.ok) throw new Error(`Slack answered with the status ${response.status}`);
}

const server = createServer(async (request, response) => {
  try {
    // The signature is of the body byte for byte, so it is verified before the body is parsed.
    const body = await text(request);
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    await tellSlack(webhook.verify(body, headers) as RunEvent);
    response.writeHead(204).end();
  } catch (error) {
    // Tenantry tries again later, unless the status is 2xx.
    response.writeHead(error instanceof WebhookVerificationError ? 401 : 500).end();
  }
});
server.listen(Number(PORT), '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`Listening on port ${typeof address === 'object' ? address?.port : PORT}\n`);
});
