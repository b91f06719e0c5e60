import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Benchmark, interleave, limit, quantile, timed } from './harness.ts';

/** How long the command line takes to print its help, beyond Node's own start. Heavy modules load only when needed. */
export const startUp: Benchmark = {
  name: 'start-up',
  about: 'tenantry --help, compared with node -e 0',
  async run(signal) {
    const node = (...args: string[]) => timed(() => promisify(execFile)(process.execPath, args));
    const cli = path.join(import.meta.dirname, '../src/cli.ts');
    const { empty, help } = await interleave(
      { empty: () => node('-e', '0'), help: () => node(cli, '--help') },
      { rounds: 20, warmUp: 2, signal },
    );
    const beyond = help.map((ms, round) => ms - (empty[round] ?? Number.NaN));
    return [limit('start tenantry --help, beyond node -e 0', 'ms', { atMost: 300 }, quantile(beyond, 0.5))];
  },
};
