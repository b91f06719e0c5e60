import { Migration } from '@mikro-orm/migrations';

export default class Initial extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE servers (
        name text PRIMARY KEY,
        url text,
        accepts_tenants boolean NOT NULL DEFAULT true,
        connection_budget integer,
        created_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    this.addSql(`INSERT INTO servers (name) VALUES ('default')`);
    this.addSql(`
      CREATE TABLE users (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        email text NOT NULL,
        name text NOT NULL,
        password_hash text,
        is_platform_admin boolean NOT NULL DEFAULT false,
        active boolean NOT NULL DEFAULT true,
        created_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    this.addSql('CREATE UNIQUE INDEX users_email_key ON users (lower(email))');
    this.addSql(`
      CREATE TABLE migration_states (
        id text PRIMARY KEY,
        applied jsonb NOT NULL,
        version text
      )`);
    this.addSql(`COMMENT ON TABLE migration_states IS
      'Each set of tenant migrations that some tenant has: applied is a list of {name, hash} in order, id is its hash'`);
    this.addSql(`
      CREATE TABLE tenants (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        slug text NOT NULL CONSTRAINT tenants_slug_key UNIQUE
          CONSTRAINT tenants_slug_check CHECK (slug ~ '^[a-z0-9-]{3,63}$'),
        name text NOT NULL,
        host text CONSTRAINT tenants_host_key UNIQUE,
        status text NOT NULL CHECK (status IN
          ('PROVISIONING', 'ACTIVE', 'SUSPENDED', 'MAINTENANCE', 'NEEDS_ATTENTION', 'DELETING')),
        isolation text NOT NULL CHECK (isolation IN ('DATABASE', 'SCHEMA')),
        key text NOT NULL CONSTRAINT tenants_key_key UNIQUE CHECK (key ~ '^[0-9a-z]{10}$'),
        server text NOT NULL REFERENCES servers (name),
        database text NOT NULL,
        schema text NOT NULL,
        migration_state text REFERENCES migration_states (id),
        claimed_by integer,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT tenants_placement_key UNIQUE (server, database, schema)
      )`);
    this.addSql(`COMMENT ON COLUMN tenants.claimed_by IS
      'While PROVISIONING: the process that works on it, alive as long as it holds its advisory lock'`);
    this.addSql('CREATE INDEX tenants_created_at_idx ON tenants (created_at, id)');
    this.addSql('CREATE INDEX tenants_migration_state_idx ON tenants (migration_state)');
    this.addSql(`CREATE INDEX tenants_unfinished_idx ON tenants (status) WHERE status NOT IN ('ACTIVE', 'SUSPENDED')`);
    this.addSql(`
      CREATE FUNCTION notify_tenant_changed() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_notify('tenants', coalesce(new.id, old.id)::text);
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenants_changed
        AFTER UPDATE OF slug, host, status, server, database, schema ON tenants
        FOR EACH ROW WHEN (
          (old.slug, old.host, old.status, old.server, old.database, old.schema)
          IS DISTINCT FROM (new.slug, new.host, new.status, new.server, new.database, new.schema))
        EXECUTE FUNCTION notify_tenant_changed()`);
    this.addSql(`
      CREATE TRIGGER tenants_deleted AFTER DELETE ON tenants
        FOR EACH ROW EXECUTE FUNCTION notify_tenant_changed()`);
    this.addSql(`
      CREATE TABLE memberships (
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        role text NOT NULL CHECK (role IN ('OWNER', 'ADMIN', 'MEMBER')),
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, tenant_id)
      )`);
    this.addSql('CREATE INDEX memberships_tenant_id_idx ON memberships (tenant_id)');
    this.addSql(`
      CREATE TABLE migration_runs (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        kind text NOT NULL DEFAULT 'UP' CHECK (kind IN ('UP', 'DOWN', 'UNDO')),
        status text NOT NULL DEFAULT 'PENDING' CHECK (status IN
          ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'HALTED', 'CANCELLED')),
        options jsonb NOT NULL,
        checkpoint text NOT NULL,
        error text,
        total integer NOT NULL DEFAULT 0,
        succeeded integer NOT NULL DEFAULT 0,
        failed integer NOT NULL DEFAULT 0,
        skipped integer NOT NULL DEFAULT 0,
        cancelled integer NOT NULL DEFAULT 0,
        last_seq integer NOT NULL DEFAULT 0,
        parent_id uuid REFERENCES migration_runs (id),
        requested_by uuid REFERENCES users (id) ON DELETE SET NULL,
        claimed_by integer,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        started_at timestamptz(3),
        ended_at timestamptz(3)
      )`);
    this.addSql('CREATE INDEX migration_runs_created_at_idx ON migration_runs (created_at, id)');
    this.addSql(`CREATE INDEX migration_runs_unfinished_idx ON migration_runs (status) WHERE ended_at IS NULL`);
    this.addSql(`
      CREATE TABLE migration_run_items (
        run_id uuid NOT NULL REFERENCES migration_runs (id) ON DELETE CASCADE,
        position integer NOT NULL,
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        wave integer NOT NULL DEFAULT 0,
        status text NOT NULL DEFAULT 'PENDING' CHECK (status IN
          ('PENDING', 'RUNNING', 'SUCCEEDED', 'SKIPPED', 'FAILED', 'CANCELLED')),
        applied text[] NOT NULL DEFAULT '{}',
        attempts integer NOT NULL DEFAULT 0,
        error text,
        started_at timestamptz(3),
        ended_at timestamptz(3),
        duration_ms double precision,
        PRIMARY KEY (run_id, position),
        UNIQUE (run_id, tenant_id)
      )`);
    this.addSql('CREATE INDEX migration_run_items_status_idx ON migration_run_items (run_id, status, position)');
    this.addSql('CREATE INDEX migration_run_items_tenant_id_idx ON migration_run_items (tenant_id)');
    this.addSql(`
      CREATE TABLE migration_events (
        run_id uuid NOT NULL REFERENCES migration_runs (id) ON DELETE CASCADE,
        seq integer NOT NULL,
        at timestamptz(3) NOT NULL DEFAULT now(),
        kind text NOT NULL,
        tenant_id uuid REFERENCES tenants (id) ON DELETE SET NULL,
        migration text,
        message text,
        done integer NOT NULL,
        total integer NOT NULL,
        PRIMARY KEY (run_id, seq)
      )`);
    this.addSql('CREATE INDEX migration_events_tenant_id_idx ON migration_events (tenant_id)');
    this.addSql(`
      CREATE TABLE migration_records (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tenant_id uuid REFERENCES tenants (id) ON DELETE CASCADE,
        scope text NOT NULL CHECK (scope IN ('AUTH', 'CONSTANTS', 'TENANT')),
        name text NOT NULL,
        hash text NOT NULL,
        status text NOT NULL CHECK (status IN ('APPLIED', 'ROLLED_BACK', 'REVERTED')),
        run_id uuid,
        checkpoint text,
        applied_at timestamptz(3) NOT NULL,
        duration_ms double precision,
        error text
      )`);
    this.addSql('CREATE INDEX migration_records_tenant_id_idx ON migration_records (tenant_id, id)');
    this.addSql(`COMMENT ON TABLE migration_records IS
      'What runs did, over the whole fleet; what a tenant has is told by migration_history in the tenant'`);
  }

  override down(): void {
    for (const table of [
      'migration_records',
      'migration_events',
      'migration_run_items',
      'migration_runs',
      'memberships',
      'tenants',
      'migration_states',
      'users',
      'servers',
    ]) {
      this.addSql(`DROP TABLE ${table}`);
    }
    this.addSql('DROP FUNCTION notify_tenant_changed()');
  }
}
