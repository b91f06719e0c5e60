/** The server of the benchmark `instruments`: with BENCH_INSTRUMENTS=off, nothing observes its requests and statements. */
import { runHere } from '../src/cli/run-here.ts';
import { instruments } from '../src/telemetry/instruments.ts';

instruments.isOn = process.env.BENCH_INSTRUMENTS !== 'off';
process.exitCode = await runHere(['serve'], async () => (await import('../test/fixture/product.ts')).product);
