import { createServer } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Vitals } from './vitals.ts';

// Loaded into a server's process with `--import`, beside the server itself, which knows nothing of it.
const { VITALS_SOCKET } = process.env;
if (VITALS_SOCKET !== undefined) {
  // Processes that the server starts inherit NODE_OPTIONS, and must not take the socket.
  delete process.env.VITALS_SOCKET;
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  createServer((_request, response) => {
    const { heapUsed, rss } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const vitals: Vitals = {
      maxDelayMs: delay.max / 1e6,
      p99DelayMs: delay.percentile(99) / 1e6,
      heapUsedBytes: heapUsed,
      rssBytes: rss,
      cpuMs: (user + system) / 1000,
    };
    delay.reset();
    response.end(JSON.stringify(vitals));
  })
    .listen(VITALS_SOCKET)
    .unref();
}
