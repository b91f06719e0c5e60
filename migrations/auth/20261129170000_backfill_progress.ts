import { Migration } from '@mikro-orm/migrations';

/** Events say how far a backfill is. */
export default class BackfillProgress extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE migration_events ADD COLUMN backfill jsonb');
  }

  override down(): void {
    this.addSql('ALTER TABLE migration_events DROP COLUMN backfill');
  }
}
