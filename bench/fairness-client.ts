/** A client process for the fairness benchmark. It runs one task after another. */
import { Agent, type ClientRequest, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** A task for the process. */
export interface Task {
  readonly role: 'victim' | 'attacker';
  readonly url: string;
  readonly token: string;
  readonly query: string;
  readonly ms: number;
}

/** The result of a task. */
export interface Outcome {
  /** The latency of each answer, in milliseconds. */
  readonly latencies: readonly number[];
  /** The number of answers with each code; `OK` for no error. */
  readonly codes: Readonly<Record<string, number>>;
}

/** The victim starts a request at this interval, however long the answers take, in milliseconds. */
const PACE_MS = 20;
/** The number of the attacker's concurrent requests. */
const CONCURRENCY = 40;
/** The number of further requests per second that the attacker starts and soon aborts. */
const GIVEN_UP = 40;
const GIVE_UP_MS = 5;

let agent = new Agent();
let codes: Record<string, number> = {};

process.on('message', (task: Task) => {
  codes = {};
  // The server closes connections that were idle between two rounds.
  agent.destroy();
  agent = new Agent({ keepAlive: true });
  const work = task.role === 'victim' ? ask(task) : attack(task).then(() => []);
  work.then((latencies) => process.send?.({ latencies, codes } satisfies Outcome));
});

async function ask({ url, token, query, ms }: Task): Promise<number[]> {
  const pending: Promise<number>[] = [];
  for (const start = performance.now(); performance.now() - start < ms; ) {
    const due = start + pending.length * PACE_MS;
    await sleep(Math.max(due - performance.now(), 0));
    pending.push(send(url, token, query).then(() => performance.now() - due));
  }
  return Promise.all(pending);
}

async function attack({ url, token, query, ms }: Task): Promise<void> {
  const end = performance.now() + ms;
  const press = async () => {
    while (performance.now() < end) await send(url, token, query);
  };
  const giveUp = async () => {
    while (performance.now() < end) {
      post(url, token, query, (sent) => setTimeout(() => sent.destroy(), GIVE_UP_MS)).catch(() => undefined);
      await sleep(1000 / GIVEN_UP);
    }
  };
  await Promise.all([giveUp(), ...Array.from({ length: CONCURRENCY }, press)]);
}

async function send(url: string, token: string, query: string): Promise<void> {
  const text = await post(url, token, query);
  const code = /"code":"(\w+)"/.exec(text)?.[1] ?? (text.startsWith('{"data":{') ? 'OK' : text.slice(0, 100));
  codes[code] = (codes[code] ?? 0) + 1;
}

function post(url: string, token: string, query: string, onSent?: (sent: ClientRequest) => void): Promise<string> {
  const body = JSON.stringify({ query });
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    authorization: `Bearer ${token}`,
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
    onSent?.(sent);
  });
}
