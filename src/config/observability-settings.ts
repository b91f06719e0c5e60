import { z } from 'zod';
import { flag, integer, type Setting, secret } from './setting-types.ts';

/** The settings of metrics and of the log of slow requests. */
export const observabilitySettings = {
  METRICS: {
    schema: flag,
    absent: 'on, but in production only with METRICS_PORT or METRICS_TOKEN',
    meaning: 'whether metrics for Prometheus are served at /metrics',
  },
  METRICS_PORT: {
    schema: integer(1, 65535),
    absent:
      'the port of the server, with METRICS_TOKEN or, in development, if HOST is local; a worker then serves none',
    meaning: 'port of its own for /metrics; each program on a machine needs another one',
  },
  METRICS_HOST: {
    schema: z.string(),
    default: '127.0.0.1',
    meaning: 'address to listen on at METRICS_PORT; 0.0.0.0 for all',
  },
  METRICS_TOKEN: {
    schema: secret,
    absent: 'none is needed',
    meaning: 'token that requests for metrics must send as “authorization: Bearer <token>”; at least 32 bytes',
  },
  SLOW_REQUEST_MS: {
    schema: integer(1, 3_600_000),
    default: '1000',
    meaning:
      'duration from which a request is logged as slow, with its slowest statements without their values, in milliseconds',
  },
} as const satisfies Record<string, Setting>;
