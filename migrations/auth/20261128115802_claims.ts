import { Migration } from '@mikro-orm/migrations';

/** Workers claim the items of a run themselves: a queue beside them, which said the same once more, is not needed. */
export default class Claims extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE migration_run_items RENAME COLUMN job TO claim');
    this.addSql('ALTER TABLE migration_run_items ADD COLUMN not_before timestamptz(3)');
    this.addSql(`COMMENT ON COLUMN migration_run_items.claim IS
      'While RUNNING: names this claim, so that a worker that has lost the item cannot say how it ended'`);
    this.addSql(`COMMENT ON COLUMN migration_run_items.not_before IS 'While PENDING: nobody claims it before'`);
    // Unfinished runs go on: what waited in the queue is PENDING in the run's current wave.
    this.addSql(`UPDATE migration_run_items SET claim = NULL WHERE status = 'PENDING' AND claim IS NOT NULL`);
    this.addSql('DROP INDEX migration_run_items_wave_idx');
    this.addSql(
      `CREATE INDEX migration_run_items_pending_idx ON migration_run_items (run_id, wave, position) WHERE status = 'PENDING'`,
    );
    this.addSql('DROP SCHEMA IF EXISTS jobs CASCADE');
  }

  override down(): void {
    this.addSql('DROP INDEX migration_run_items_pending_idx');
    this.addSql('CREATE INDEX migration_run_items_wave_idx ON migration_run_items (run_id, wave, position)');
    // The version before makes its queue when it starts, and puts into it what a dead process has claimed. No process is 0.
    this.addSql(`
      UPDATE migration_run_items i SET status = 'RUNNING', claimed_by = 0, claim = gen_random_uuid()
      FROM migration_runs r
      WHERE r.id = i.run_id AND r.ended_at IS NULL AND i.wave = r.wave AND i.status = 'PENDING'`);
    this.addSql('ALTER TABLE migration_run_items DROP COLUMN not_before');
    this.addSql('ALTER TABLE migration_run_items RENAME COLUMN claim TO job');
    this.addSql(`COMMENT ON COLUMN migration_run_items.job IS
      'The job in the queue; whoever works on the tenant under another job has lost it'`);
  }
}
