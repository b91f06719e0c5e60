import { Migration } from '@mikro-orm/migrations';

/** Who asked for a run is told by the audit log, where command lines and tokens without a user have their place too. */
export default class WithoutRequester extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE migration_runs DROP COLUMN requested_by');
  }

  override down(): void {
    this.addSql('ALTER TABLE migration_runs ADD COLUMN requested_by uuid REFERENCES users (id) ON DELETE SET NULL');
  }
}
