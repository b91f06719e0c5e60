import { Migration } from '@mikro-orm/migrations';

/** A run that was stopped when nothing was left to start has done everything, and ends as if nobody had stopped it. */
export default class RunStatus extends Migration {
  override up(): void {
    this.addSql(`
      UPDATE migration_runs SET status = CASE WHEN failed > 0 THEN 'FAILED' ELSE 'SUCCEEDED' END
      WHERE status IN ('HALTED', 'CANCELLED') AND cancelled = 0`);
  }

  override down(): void {
    // The version before knows these statuses too.
  }
}
