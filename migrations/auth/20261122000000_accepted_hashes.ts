import { Migration } from '@mikro-orm/migrations';

/** Who accepted that a migration's file had changed, and what its hash was before. */
export default class AcceptedHashes extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE migration_records ADD COLUMN previous_hash text, ADD COLUMN accepted_by text');
  }

  override down(): void {
    this.addSql('ALTER TABLE migration_records DROP COLUMN previous_hash, DROP COLUMN accepted_by');
  }
}
