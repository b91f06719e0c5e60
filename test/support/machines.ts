import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';

/** It may be where only root's PATH leads. */
const ip = ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip'].find((file) => existsSync(file)) ?? 'ip';
const PREFIX = 'tenantry';

/** Listens on a path and passes everything on to a port of its machine. */
const relayProgram = `
  const { connect, createServer } = require('node:net');
  const [path, port] = process.argv.slice(1);
  createServer((from) => {
    const to = connect(Number(port), '127.0.0.1');
    for (const [one, other] of [[from, to], [to, from]])
      one.on('error', () => other.destroy()).on('close', () => other.destroy()).pipe(other);
  }).listen(path);`;

/**
 * Why there can be no machines here; undefined if there can.
 * @throws {Error} if REQUIRE_NAMESPACES is set, as CI does for root
 */
export function whyNoMachines(): string | undefined {
  const name = nameOf('try');
  const tried = [
    ['netns', 'add', name],
    ['-n', name, 'link', 'add', 'bridge', 'type', 'bridge'],
    ['-n', name, 'link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'other'],
  ].map((args) => spawnSync(ip, args, { encoding: 'utf8' }));
  spawnSync(ip, ['netns', 'del', name]);
  const failed = tried.find(({ status }) => status !== 0);
  if (!failed) return undefined;
  const why = `Network namespaces are not possible here: ${failed.error?.message ?? failed.stderr.trim()}`;
  if (process.env.REQUIRE_NAMESPACES) throw new Error(why);
  return why;
}

/**
 * Machines of a network of their own: network namespaces, of which some are joined by links. A link can be cut: what is sent over it
 * vanishes, and nobody is told. Nothing leads out of the network.
 */
export class Machines<Name extends string> implements AsyncDisposable {
  readonly #names: readonly Name[];
  readonly #links: readonly (readonly [Name, Name])[];
  readonly #parts: AsyncDisposableStack;

  private constructor(names: readonly Name[], links: readonly (readonly [Name, Name])[], parts: AsyncDisposableStack) {
    this.#names = names;
    this.#links = links;
    this.#parts = parts;
  }

  /** Makes them, after removing what killed tests have left. */
  static async start<Name extends string>(
    names: readonly Name[],
    links: readonly (readonly [Name, Name])[],
  ): Promise<Machines<Name>> {
    await removeAbandoned();
    await using stack = new AsyncDisposableStack();
    const machines = new Machines(names, links, stack);
    for (const name of [...names, 'cables']) {
      await run('netns', 'add', nameOf(name));
      stack.defer(() => removeNamespace(nameOf(name)));
      await run('-n', nameOf(name), 'link', 'set', 'lo', 'up');
    }
    for (const name of names)
      await run('-n', nameOf(name), 'addr', 'add', `${machines.addressOf(name)}/32`, 'dev', 'lo');
    for (const [index, link] of links.entries()) await machines.#join(index, link);
    return new Machines(names, links, stack.move());
  }

  /** The address by which a machine is known to the others. */
  addressOf(name: Name): string {
    return `10.77.0.${this.#names.indexOf(name) + 1}`;
  }

  /** What comes before a command that is to run on a machine. */
  on(name: Name): string[] {
    return [ip, 'netns', 'exec', nameOf(name)];
  }

  /** The same for a command that reads a file instead of `/etc/hosts`. */
  onWithHosts(name: Name, hosts: string): string[] {
    // What is mounted in this way is seen by the command alone.
    return [...this.on(name), 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', hosts];
  }

  cut(one: Name, other: Name): Promise<void> {
    return run('-n', nameOf('cables'), 'link', 'set', `cable${this.#indexOf(one, other)}`, 'down');
  }

  mend(one: Name, other: Name): Promise<void> {
    return run('-n', nameOf('cables'), 'link', 'set', `cable${this.#indexOf(one, other)}`, 'up');
  }

  /** Gives a port of 127.0.0.1 that leads to a port of a machine. */
  async relay(name: Name, port: number): Promise<number> {
    const folder = await mkdtemp(path.join(tmpdir(), 'tenantry-relay-'));
    this.#parts.defer(() => rm(folder, { recursive: true, force: true }));
    const file = path.join(folder, 'socket');
    const [command = ip, ...args] = [...this.on(name), process.execPath, '-e', relayProgram, file, String(port)];
    const child = spawn(command, args, { stdio: 'ignore' });
    const ended = once(child, 'exit');
    this.#parts.defer(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    await eventually('the relay listens', async () => existsSync(file));
    const server = createServer((from) => {
      const to = connect(file);
      from
        .on('error', () => to.destroy())
        .on('close', () => to.destroy())
        .pipe(to);
      to.on('error', () => from.destroy())
        .on('close', () => from.destroy())
        .pipe(from);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    this.#parts.defer(() => void server.close());
    const address = server.address();
    if (typeof address !== 'object' || !address) throw new Error('The relay has no port');
    return address.port;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }

  /** A link is a bridge between two cables: without it, both ends still see a carrier. */
  async #join(index: number, ends: readonly [Name, Name]): Promise<void> {
    const cables = nameOf('cables');
    const bridge = `cable${index}`;
    await run('-n', cables, 'link', 'add', bridge, 'type', 'bridge');
    await run('-n', cables, 'link', 'set', bridge, 'up');
    const hardware = (end: number) => `02:00:00:00:0${index}:0${end}`;
    for (const [end, name] of ends.entries()) {
      const [device, plug] = [`eth${index}`, `plug${index}-${end}`];
      await run('link', 'add', plug, 'netns', cables, 'type', 'veth', 'peer', 'name', device, 'netns', nameOf(name));
      await run('-n', cables, 'link', 'set', plug, 'master', bridge, 'up');
      await run('-n', nameOf(name), 'link', 'set', device, 'address', hardware(end), 'up');
      const other = this.addressOf(ends[1 - end] ?? name);
      await run('-n', nameOf(name), 'route', 'add', `${other}/32`, 'dev', device, 'src', this.addressOf(name));
      // Otherwise a machine would soon be told that the other one is not there.
      const neighbour = ['neigh', 'add', other, 'lladdr', hardware(1 - end), 'dev', device, 'nud', 'permanent'];
      await run('-n', nameOf(name), ...neighbour);
    }
  }

  #indexOf(one: Name, other: Name): number {
    const index = this.#links.findIndex((link) => link.includes(one) && link.includes(other));
    if (index < 0) throw new Error(`There is no link from ${one} to ${other}`);
    return index;
  }
}

/** The process is in it, so that what a killed one has left can be told. */
function nameOf(machine: string): string {
  return `${PREFIX}-${process.pid}-${machine}`;
}

async function run(...args: readonly string[]): Promise<void> {
  await promisify(execFile)(ip, args);
}

async function removeAbandoned(): Promise<void> {
  const { stdout } = await promisify(execFile)(ip, ['netns', 'list']);
  for (const [name, pid] of stdout.matchAll(new RegExp(`^${PREFIX}-(\\d+)-\\w+`, 'gm')))
    if (!existsSync(`/proc/${pid}`)) await removeNamespace(name);
}

/** Removes a namespace, and ends what still runs in it. */
async function removeNamespace(name: string): Promise<void> {
  const { stdout } = await promisify(execFile)(ip, ['netns', 'pids', name]);
  for (const pid of stdout.split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  await run('netns', 'del', name);
}
