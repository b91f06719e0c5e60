import { Migration } from '@mikro-orm/migrations';

/** Pages of a tenant's members are read in the order of the users' ids. */
export default class MembersInOrder extends Migration {
  override up(): void {
    this.addSql('CREATE INDEX memberships_tenant_id_user_id_idx ON memberships (tenant_id, user_id)');
    this.addSql('DROP INDEX memberships_tenant_id_idx');
  }

  override down(): void {
    this.addSql('CREATE INDEX memberships_tenant_id_idx ON memberships (tenant_id)');
    this.addSql('DROP INDEX memberships_tenant_id_user_id_idx');
  }
}
