import { enableCompileCache } from 'node:module';
import path from 'node:path';

// Isolated files load the server each in a process of its own. It is the cache of the command line (src/cli/run-here.ts).
enableCompileCache(path.join(import.meta.dirname, '../../node_modules/.cache/tenantry'));
