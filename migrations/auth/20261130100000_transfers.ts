import { Migration } from '@mikro-orm/migrations';

/** The columns of a place, with a prefix for each name. */
const placeColumns = (prefix: string, constraint: string) => `
  ${prefix}_key text ${constraint},
  ${prefix}_isolation text ${constraint} CHECK (${prefix}_isolation IN ('DATABASE', 'SCHEMA')),
  ${prefix}_server text ${constraint},
  ${prefix}_database text ${constraint},
  ${prefix}_schema text ${constraint}`;

/**
 * Transfers: moving, cloning, importing and restoring one tenant. They outlive the tenants that they name, so no column refers
 * to one.
 */
export default class Transfers extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE tenant_transfers (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        kind text NOT NULL CHECK (kind IN ('MOVE', 'CLONE', 'IMPORT', 'RESTORE')),
        status text NOT NULL DEFAULT 'PENDING' CHECK (status IN
          ('PENDING', 'COPYING', 'CATCHING_UP', 'SWITCHING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
        tenant_id uuid NOT NULL,
        slug text NOT NULL,
        name text,
        host text,
        source_id uuid,
        source_slug text,
        checkpoint_id uuid,
        ${placeColumns('from', '')},
        ${placeColumns('to', 'NOT NULL')},
        online boolean NOT NULL DEFAULT false,
        keep_hours integer NOT NULL DEFAULT 0 CHECK (keep_hours >= 0),
        neutralize boolean NOT NULL DEFAULT false,
        status_before text CHECK (status_before IN ('ACTIVE', 'SUSPENDED')),
        has_target boolean NOT NULL DEFAULT false,
        outcome text CHECK (outcome IN ('FAILED', 'CANCELLED')),
        rows_copied bigint NOT NULL DEFAULT 0,
        rows_total bigint,
        bytes_copied bigint NOT NULL DEFAULT 0,
        paused_ms double precision,
        error text,
        cancel_requested boolean NOT NULL DEFAULT false,
        requested_by text,
        claimed_by integer,
        claim uuid,
        attempts integer NOT NULL DEFAULT 0,
        not_before timestamptz(3),
        last_seq integer NOT NULL DEFAULT 0,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        ended_at timestamptz(3)
      )`);
    this.addSql(`COMMENT ON TABLE tenant_transfers IS
      'Moves, clones, imports and restored checkpoints of tenants; src/transfers/ carries them out'`);
    this.addSql(`COMMENT ON COLUMN tenant_transfers.name IS 'The name of a new tenant, as host is its host'`);
    this.addSql(`COMMENT ON COLUMN tenant_transfers.source_id IS 'The tenant that a clone is of'`);
    this.addSql(`COMMENT ON COLUMN tenant_transfers.from_key IS
      'The place that is copied, up to from_schema; null for an import. For a checkpoint, the place that it replaces'`);
    this.addSql(`COMMENT ON COLUMN tenant_transfers.status_before IS
      'While the transfer keeps the tenant in maintenance: the status that it gets back'`);
    this.addSql(`COMMENT ON COLUMN tenant_transfers.has_target IS 'There may be something at the new place'`);
    this.addSql(`COMMENT ON COLUMN tenant_transfers.outcome IS
      'How it will end, once the tenant is served again at the place where it was'`);
    this.addSql(`COMMENT ON COLUMN tenant_transfers.claimed_by IS
      'The process that works on it, alive as long as it holds its advisory lock; claim names this claim'`);
    this.addSql(`CREATE UNIQUE INDEX tenant_transfers_open_key ON tenant_transfers (tenant_id) WHERE ended_at IS NULL`);
    this.addSql(
      `CREATE INDEX tenant_transfers_source_idx ON tenant_transfers (source_id) WHERE ended_at IS NULL AND source_id IS NOT NULL`,
    );
    this.addSql('CREATE INDEX tenant_transfers_tenant_id_idx ON tenant_transfers (tenant_id, created_at, id)');
    this.addSql('CREATE INDEX tenant_transfers_created_at_idx ON tenant_transfers (created_at, id)');
    this.addSql(`
      CREATE TABLE tenant_transfer_events (
        transfer_id uuid NOT NULL REFERENCES tenant_transfers (id) ON DELETE CASCADE,
        seq integer NOT NULL,
        at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
        kind text NOT NULL,
        message text NOT NULL,
        rows_copied bigint NOT NULL,
        rows_total bigint,
        PRIMARY KEY (transfer_id, seq)
      )`);
    this.addSql(`
      CREATE TABLE old_places (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL,
        slug text NOT NULL,
        transfer_id uuid NOT NULL,
        key text NOT NULL,
        isolation text NOT NULL CHECK (isolation IN ('DATABASE', 'SCHEMA')),
        server text NOT NULL REFERENCES servers (name),
        database text NOT NULL,
        schema text NOT NULL,
        drop_after timestamptz(3) NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    this.addSql(`COMMENT ON TABLE old_places IS
      'Databases and schemas that no tenant uses any more: where tenants were before a move, and targets of failed transfers'`);
    this.addSql('CREATE INDEX old_places_drop_after_idx ON old_places (drop_after)');
    this.addSql('CREATE INDEX old_places_tenant_id_idx ON old_places (tenant_id)');
    this.addSql('ALTER TABLE tenants ADD COLUMN cloned_from jsonb, ADD COLUMN pause_ends_at timestamptz(3)');
    this.addSql(`COMMENT ON COLUMN tenants.cloned_from IS
      'What the tenant is a clone of: id and slug of that tenant, which may have been deleted since, and the name of a checkpoint'`);
    this.addSql(`COMMENT ON COLUMN tenants.pause_ends_at IS
      'While MAINTENANCE for a moment only: when it should have ended. Requests wait for it'`);
  }

  override down(): void {
    this.addSql('ALTER TABLE tenants DROP COLUMN pause_ends_at, DROP COLUMN cloned_from');
    this.addSql('DROP TABLE old_places');
    this.addSql('DROP TABLE tenant_transfer_events');
    this.addSql('DROP TABLE tenant_transfers');
  }
}
