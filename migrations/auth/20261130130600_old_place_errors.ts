import { Migration } from '@mikro-orm/migrations';

/** Why a place that no tenant uses any more could not be dropped, for doctor and tenant.oldPlaces. */
export default class OldPlaceErrors extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE old_places ADD COLUMN error text');
    this.addSql(`COMMENT ON COLUMN old_places.error IS 'Why the last attempt to drop it failed'`);
  }

  override down(): void {
    this.addSql('ALTER TABLE old_places DROP COLUMN error');
  }
}
