import { Migration } from '@mikro-orm/migrations';

export default class Checkpoints extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE checkpoints (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid REFERENCES tenants (id) ON DELETE SET NULL,
        name text NOT NULL,
        server text NOT NULL REFERENCES servers (name),
        database text NOT NULL,
        migration_state text REFERENCES migration_states (id),
        size_bytes bigint,
        is_dropping boolean NOT NULL DEFAULT false,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        CONSTRAINT checkpoints_database_key UNIQUE (server, database)
      )`);
    this.addSql('CREATE INDEX checkpoints_tenant_id_idx ON checkpoints (tenant_id, created_at, id)');
    this.addSql(`COMMENT ON COLUMN checkpoints.is_dropping IS
      'Nobody can restore it any more, and its database is dropped as soon as that can be done'`);
    this.addSql(`
      CREATE TABLE tenant_maintenances (
        tenant_id uuid PRIMARY KEY REFERENCES tenants (id),
        phase text NOT NULL DEFAULT 'COPYING' CHECK (phase IN ('COPYING', 'COPIED', 'DONE')),
        copy text NOT NULL,
        copy_state text REFERENCES migration_states (id),
        status_before text NOT NULL CHECK (status_before IN ('ACTIVE', 'SUSPENDED')),
        claimed_by integer NOT NULL,
        started_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    this.addSql(`COMMENT ON TABLE tenant_maintenances IS
      'Tenants whose database is copied or replaced at present; src/migrator/maintenance.ts tells what the phases mean'`);
    this.addSql('ALTER TABLE tenants ADD COLUMN maintained_at timestamptz(3)');
    this.addSql(`COMMENT ON COLUMN tenants.maintained_at IS 'When a maintenance last began or ended'`);
  }

  override down(): void {
    this.addSql('ALTER TABLE tenants DROP COLUMN maintained_at');
    this.addSql('DROP TABLE tenant_maintenances');
    this.addSql('DROP TABLE checkpoints');
  }
}
