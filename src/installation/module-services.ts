import type { Logger } from 'pino';
import type { FileConfig } from '../config/file-config.ts';

/** What the platform offers to modules besides a request's context. There is one object in each process. */
export interface ModuleServices {
  /** The settings of uploaded files. */
  readonly files: FileConfig;
  readonly log: Logger;
  /** Derives a key of 32 bytes from ROLE_SECRET. Each purpose has its own. */
  deriveKey(purpose: string): Uint8Array;
}
