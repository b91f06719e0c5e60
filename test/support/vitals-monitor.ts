import { createServer } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Vitals } from './vitals.ts';

// Loaded into a server's process with `--import`, beside the server itself, which knows nothing of it.
const { VITALS_SOCKET } = process.env;
if (VITALS_SOCKET !== undefined) {
  // Processes that the server starts inherit NODE_OPTIONS, and must not take the socket.
  delete process.env.VITALS_SOCKET;
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  setFlagsFromString('--expose-gc');
  // The only way to get the function in a process that runs already.
  const collectGarbage: () => void = runInNewContext('gc');
  createServer(({ url }, response) => {
    if (url === '/collected') collectGarbage();
    const { heapUsed, external, rss } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const vitals: Vitals = {
      maxDelayMs: delay.max / 1e6,
      p99DelayMs: delay.percentile(99) / 1e6,
      heapUsedBytes: heapUsed,
      externalBytes: external,
      rssBytes: rss,
      cpuMs: (user + system) / 1000,
    };
    delay.reset();
    response.end(JSON.stringify(vitals));
  })
    .listen(VITALS_SOCKET)
    .unref();
}
