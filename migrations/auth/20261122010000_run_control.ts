import { Migration } from '@mikro-orm/migrations';

export default class RunControl extends Migration {
  override up(): void {
    this.addSql(`
      ALTER TABLE migration_runs
        DROP COLUMN claimed_by,
        ADD COLUMN wave integer NOT NULL DEFAULT 0,
        ADD COLUMN waves integer NOT NULL DEFAULT 1,
        ADD COLUMN wave_open integer NOT NULL DEFAULT 0,
        ADD COLUMN wave_failed integer NOT NULL DEFAULT 0,
        ADD COLUMN skipped_at_start integer NOT NULL DEFAULT 0,
        ADD COLUMN stopping text CHECK (stopping IN ('HALTED', 'CANCELLED'))`);
    this.addSql(`COMMENT ON COLUMN migration_runs.wave IS 'The wave that is under way, from 1; 0 before the first'`);
    this.addSql(`COMMENT ON COLUMN migration_runs.wave_open IS 'Tenants of that wave that have not ended'`);
    this.addSql(`COMMENT ON COLUMN migration_runs.stopping IS
      'How the run is to end; set while tenants that are under way still end'`);
    this.addSql(`ALTER TABLE migration_run_items ADD COLUMN claimed_by integer, ADD COLUMN job uuid`);
    this.addSql(`COMMENT ON COLUMN migration_run_items.claimed_by IS
      'While RUNNING: the process that works on it, alive as long as it holds its advisory lock'`);
    this.addSql(`COMMENT ON COLUMN migration_run_items.job IS
      'The job in the queue; whoever works on the tenant under another job has lost it'`);
    this.addSql(
      `CREATE INDEX migration_run_items_running_idx ON migration_run_items (claimed_by) WHERE status = 'RUNNING'`,
    );
    this.addSql('CREATE INDEX migration_run_items_wave_idx ON migration_run_items (run_id, wave, position)');
  }

  override down(): void {
    this.addSql('DROP INDEX migration_run_items_wave_idx');
    this.addSql('DROP INDEX migration_run_items_running_idx');
    this.addSql('ALTER TABLE migration_run_items DROP COLUMN job, DROP COLUMN claimed_by');
    this.addSql(`
      ALTER TABLE migration_runs
        DROP COLUMN stopping, DROP COLUMN skipped_at_start, DROP COLUMN wave_failed, DROP COLUMN wave_open, DROP COLUMN waves, DROP COLUMN wave,
        ADD COLUMN claimed_by integer`);
  }
}
