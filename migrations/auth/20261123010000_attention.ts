import { Migration } from '@mikro-orm/migrations';

export default class Attention extends Migration {
  override up(): void {
    this.addSql(`ALTER TABLE tenants ADD COLUMN status_before_attention text
      CHECK (status_before_attention IN ('ACTIVE', 'SUSPENDED'))`);
    this.addSql(`COMMENT ON COLUMN tenants.status_before_attention IS
      'While NEEDS_ATTENTION: the status that the tenant gets back when somebody has resolved it'`);
  }

  override down(): void {
    this.addSql('ALTER TABLE tenants DROP COLUMN status_before_attention');
  }
}
