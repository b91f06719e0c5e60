import { Migration } from '@mikro-orm/migrations';

/** What exclusion constraints over an id and a range need. */
export default class Bookings extends Migration {
  override up(): void {
    this.addSql('CREATE EXTENSION IF NOT EXISTS btree_gist');
  }

  override down(): void {
    this.addSql('DROP EXTENSION IF EXISTS btree_gist');
  }
}
