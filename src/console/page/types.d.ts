import type { documents } from './api/documents.js';
import type { DriftCheck, DriftedTenant, Finding } from './checks/types.d.ts';
import type { DatabaseServer, Health, ServerNodes } from './servers/types.d.ts';
import type { Checkpoint, Drift, Resolution, Transfer } from './tenant/types.d.ts';

/** The name of an operation that the console sends. */
export type Operation = keyof typeof documents;

export type TenantStatus =
  | 'ACTIVE'
  | 'PROVISIONING'
  | 'SUSPENDED'
  | 'MAINTENANCE'
  | 'NEEDS_ATTENTION'
  | 'DELETED'
  | 'DELETING';
export type RunStatus = 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'HALTED' | 'CANCELLED';
export type RunKind = 'UP' | 'DOWN' | 'UNDO';
export type ItemStatus = 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'SKIPPED' | 'FAILED' | 'CANCELLED';

export interface Person {
  id: string;
  email: string;
  name: string;
}
export interface Viewer {
  isPlatformAdmin: boolean;
  user: Person | null;
}
export interface SignedIn {
  token: string;
  refreshToken: string;
  deviceToken: string | null;
  viewer: Viewer;
}
export interface Named {
  id: string;
  slug: string;
}
export interface Page<T> {
  totalCount: number;
  pageInfo: { endCursor: string | null; hasNextPage: boolean };
  nodes: T[];
}

export interface Cell extends Named {
  status: TenantStatus;
  isolation: 'DATABASE' | 'SCHEMA';
  server: string;
  state: string | null;
}
export interface FleetState {
  id: string;
  version: string | null;
  behind: number;
}

export interface Run {
  id: string;
  kind: RunKind;
  status: RunStatus;
  dryRun: boolean;
  checkpoint: string;
  createdAt: string;
  startedAt: string | null;
  endedAt: string | null;
  total: number;
  succeeded: number;
  failed: number;
  skipped: number;
  cancelled: number;
  pending: number;
}
export interface Change {
  migration: string;
  tenants: number;
}
export interface Wave {
  number: number;
  status: string;
  size: number;
  done: number;
  failed: number;
  remaining: number;
}
export interface FailureGroup {
  error: string;
  code: string | null;
  migration: string | null;
  statement: string | null;
  count: number;
  tenants: Named[];
}
export interface RunDetails extends Run {
  lastSeq: number;
  rate: number | null;
  remainingSeconds: number | null;
  changes: Change[];
  waveStatus: Wave[];
  failures: FailureGroup[];
}
export interface RunItem {
  status: ItemStatus;
  applied: string[];
  attempts: number;
  error: string | null;
  durationMs: number | null;
  tenant: Named;
}
export interface RunEvent {
  seq: number;
  at: string;
  kind: string;
  message: string;
  migration: string | null;
  done: number;
  total: number;
  rate: number | null;
  remainingSeconds: number | null;
  tenant: Named | null;
}
export interface RunInput {
  tenants?: string[];
  to?: string;
  waves?: string[];
  canaries?: string[];
  maxFailures?: number;
  concurrency?: number;
  dryRun?: boolean;
}
export interface PlannedMigration {
  name: string;
  kind: 'SCHEMA' | 'BACKFILL';
  reversible: boolean;
  transactional: boolean;
  warnings: { severity: 'ERROR' | 'WARNING' | 'INFO'; message: string; advice: string | null }[];
}
export interface Plan {
  totalCount: number;
  upToDateCount: number;
  migrations: PlannedMigration[];
  tenants: { pending: string[]; refusal: string | null; tenant: Named }[];
}

export interface Tenant extends Named {
  name: string;
  host: string | null;
  status: TenantStatus;
  isolation: 'DATABASE' | 'SCHEMA';
  version: string | null;
  behind: number;
  createdAt: string;
  deletedAt: string | null;
  deletedBy: string | null;
  purgeAt: string | null;
  usage: {
    databaseBytes: number;
    rows: number;
    files: number;
    lastRequestAt: string | null;
    measuredAt: string;
  } | null;
  clonedFrom: { slug: string; checkpoint: string | null } | null;
  placement: { server: string; database: string; schema: string };
}
export interface Member {
  role: 'OWNER' | 'ADMIN' | 'MEMBER';
  isPending: boolean;
  user: Person;
}
export interface MigrationRecord {
  name: string;
  scope: string;
  kind: string | null;
  status: 'APPLIED' | 'ROLLED_BACK' | 'REVERTED';
  run: string | null;
  appliedAt: string;
  durationMs: number;
  error: string | null;
}
export interface AuditEntry {
  id: string;
  at: string;
  actor: string;
  action: string;
  outcome: string;
  address: string | null;
  requestId: string | null;
  details: string | null;
  count: number;
  tenant: Named | null;
  /** Also of a tenant that has been removed for good. */
  tenantSlug: string | null;
}
export interface User extends Person {
  active: boolean;
  isPlatformAdmin: boolean;
  createdAt: string;
}

/** What each operation answers. */
export interface Answers {
  viewer: { server: { name: string; version: string }; viewer: Viewer | null };
  signIn: { login: SignedIn };
  refresh: { refreshToken: SignedIn };
  signOut: { logout: boolean };
  fleetCells: {
    fleetCells: { cells: Cell[]; deleted: string[]; states: FleetState[]; hasMore: boolean; cursor: string };
  };
  runs: { migrationRuns: Page<Run> };
  run: { migrationRun: RunDetails | null };
  runItems: { migrationRun: { items: Page<RunItem> } | null };
  runProgress: { migrationProgress: RunEvent };
  plan: { migrationPlan: Plan };
  migrations: { migrations: { name: string }[] };
  startRun: { runMigrations: { id: string } };
  cancelRun: { cancelMigrationRun: { id: string } };
  resumeRun: { resumeMigrationRun: { id: string } };
  undoRun: { undoMigrationRun: { id: string } };
  tenant: { tenant: Tenant | null };
  tenants: { tenants: { totalCount: number; nodes: Tenant[] } };
  members: { tenant: { members: Member[] } | null };
  history: { migrationHistory: Page<MigrationRecord> };
  checkpoints: { checkpoints: Checkpoint[] };
  transfers: { tenantTransfers: { nodes: Transfer[] } | null };
  cancelTransfer: { cancelTenantTransfer: { id: string } };
  resumeTransfer: { resumeTenantTransfer: { id: string } };
  moveTenant: { moveTenant: { id: string } };
  cloneTenant: { cloneTenant: { id: string } };
  drifted: { driftedTenants: Page<DriftedTenant> | null };
  doctor: { doctor: Finding[] | null };
  driftCheck: { tenant: { driftCheck: DriftCheck | null } | null };
  drift: { tenant: { drift: Drift | null } | null };
  suspend: { suspendTenant: { id: string } };
  activate: { activateTenant: { id: string } };
  deleteTenant: { deleteTenant: { id: string } };
  undeleteTenant: { undeleteTenant: { id: string } };
  resolve: { resolveTenant: Resolution };
  createCheckpoint: { createCheckpoint: { id: string; name: string } };
  restoreCheckpoint: { restoreCheckpoint: { id: string } };
  deleteCheckpoint: { deleteCheckpoint: boolean };
  servers: { servers: DatabaseServer[]; health: Health };
  serverNodes: { servers: ServerNodes[] | null };
  audit: { auditLog: Page<AuditEntry> };
  users: { users: Page<User> };
  setUserActive: { setUserActive: User };
  setPlatformAdmin: { setPlatformAdmin: User };
}

/** The API as the pages use it. */
export interface Api {
  /** Sends an operation. Rejects with a `Problem`. */
  ask<O extends Operation>(operation: O, variables?: object, signal?: AbortSignal): Promise<Answers[O]>;
  /** Subscribes. Rejects with a `Problem`, also when the connection is lost. It calls `onOpen` when the server has accepted. */
  subscribe<O extends Operation>(
    operation: O,
    variables: object,
    signal: AbortSignal,
    onOpen: () => void,
  ): AsyncGenerator<Answers[O]>;
  /** Who a token belongs to. Rejects with a `Problem`. */
  viewerOf(token: string): Promise<Answers['viewer']>;
  sessions: Sessions;
}

/** Who uses the console. */
export interface Session {
  token: string;
  /** Undefined for a pasted token. */
  refreshToken?: string | undefined;
  /** How the page names the user. */
  name: string;
}
export interface Sessions {
  current(): Session | undefined;
  /** Whether the session ended by itself, so that the page waits for another one. */
  hasExpired(): boolean;
  begin(session: Session): void;
  renew(session: Session): void;
  expire(): void;
  end(): void;
  /** Resolves when somebody has signed in. */
  next(): Promise<void>;
  onChange(listener: () => void): () => void;
}
